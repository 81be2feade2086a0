/**
 * What the OAuth server keeps: nothing. Its clients are looked up where they are; its tokens are
 * signed and short-lived, so that none is stored; which assertions have been used, we see to.
 */
import type { Adapter, AdapterPayload } from 'oidc-provider'
import { isShownBy } from '../callers/clients/credential.ts'
import type { MachineClient, MachineClients } from '../callers/clients/service.ts'
import { type FindDevice, deviceMetadata, machineMetadata, tokenRequests } from './clients.ts'

export interface AdapterServices {
  readonly findDevice: FindDevice
  readonly machines: Pick<MachineClients, 'findActive'>
  readonly now: () => Date
}

/** One for each of the server's models, by name. */
export function adapterFactory(services: AdapterServices): (model: string) => Adapter {
  return (model) => ({
    async find(id): Promise<AdapterPayload | undefined> {
      return model === 'Client' ? findClient(services, id) : undefined
    },
    // It stores what it has seen after having looked: too late for two that come at once.
    upsert: () => (model === 'ReplayDetection' ? Promise.resolve() : unused(model)),
    consume: () => unused(model),
    destroy: () => unused(model),
    findByUid: () => unused(model),
    findByUserCode: () => unused(model),
    revokeByGrantId: () => unused(model),
  })
}

async function findClient(services: AdapterServices, id: string) {
  const machine = await services.machines.findActive(id)
  if (machine) {
    await noteMachine(machine, services.now())
    return machineMetadata(machine)
  }
  return (await services.findDevice(id)) && deviceMetadata(id)
}

async function noteMachine(machine: MachineClient, now: Date): Promise<void> {
  const request = tokenRequests.getStore()
  if (!request) return
  const { certificate } = request
  const isCertified = certificate !== undefined && isShownBy(machine.credential, certificate, now)
  request.machine = { ...machine, isCertified: await isCertified }
}

function unused(model: string): Promise<never> {
  return Promise.reject(new Error(`no grant in use stores a ${model}`))
}
