/**
 * What the OAuth server keeps: nothing. Its clients are our devices, looked up where they are; its
 * tokens are signed and short-lived, so that none is stored.
 */
import type { Adapter, AdapterPayload } from 'oidc-provider'
import { type FindDevice, clientMetadata } from './clients.ts'

/** One for each of the server's models, by name. */
export function adapterFactory(findDevice: FindDevice): (model: string) => Adapter {
  return (model) => ({
    async find(id): Promise<AdapterPayload | undefined> {
      if (model !== 'Client' || !(await findDevice(id))) return undefined
      return clientMetadata(id)
    },
    upsert: () => unused(model),
    consume: () => unused(model),
    destroy: () => unused(model),
    findByUid: () => unused(model),
    findByUserCode: () => unused(model),
    revokeByGrantId: () => unused(model),
  })
}

function unused(model: string): Promise<never> {
  return Promise.reject(new Error(`no grant in use stores a ${model}`))
}
