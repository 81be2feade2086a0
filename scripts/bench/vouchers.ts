/** Vouchers for the benchmarks, of one entry each: devices made at a service over DI. */
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ImportResult } from '../../src/cli/voucher-bundles.ts'
import { makeAll } from './making.ts'
import { type OwnService, startOwnService } from './service.ts'

export const FORMATS = ['tar.gz', 'pem'] as const
export type Files = Record<(typeof FORMATS)[number], Buffer>

/** A manufacturer that sells all it makes to one key, and whoever is to hold that. */
export interface Factory {
  readonly maker: OwnService
  /** PKCS#8 in PEM. */
  readonly ownerKey: string
  /**
   * The vouchers of so many new devices, in both kinds of file. Without a rendezvous, so that holding
   * them causes no TO0.
   */
  make(count: number, rendezvous?: string): Promise<Files>
  stop(): Promise<void>
}

export async function openFactory(): Promise<Factory> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const folder = mkdtempSync(join(tmpdir(), 'firstlight-bench-'))
  const buyer = join(folder, 'owner.pem')
  writeFileSync(buyer, publicKey.export({ type: 'spki', format: 'pem' }))
  const maker = await startOwnService({
    FIRSTLIGHT_ROLES: 'manufacturer',
    FIRSTLIGHT_FIRST_OWNER: buyer,
  })
  return {
    maker,
    ownerKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    async make(count, rendezvous) {
      const since = new Date().toISOString()
      if (rendezvous === undefined) await makeDevices(maker, count)
      else await makeDevicesFor(maker, count, rendezvous)
      const files = FORMATS.map(async (format) => {
        const query = new URLSearchParams({ since, format })
        const { body } = await maker.api.send(`/api/v1/vouchers/export?${query}`, { accept: '*/*' })
        return [format, body] as const
      })
      return Object.fromEntries(await Promise.all(files)) as Files
    },
    async stop() {
      await maker.stop()
      rmSync(folder, { recursive: true })
    },
  }
}

/** They come to their owner without a rendezvous, so that holding their vouchers causes no TO0. */
export async function makeDevices(maker: OwnService, count: number): Promise<void> {
  const { hostname: ip, port } = new URL(maker.url)
  const at = { ip, dev_port: Number(port), owner_port: Number(port), protocol: 'http' }
  const json = { directives: [{ ...at, bypass: true }] }
  await maker.api.json('/api/v1/rendezvous-info', { method: 'PUT', json })
  await initialize(maker, count)
}

/** Whose vouchers name that rendezvous. */
export async function makeDevicesFor(maker: OwnService, count: number, url: string): Promise<void> {
  const { hostname: ip, port } = new URL(url)
  const at = { ip, dev_port: Number(port), owner_port: Number(port), protocol: 'http' }
  await maker.api.json('/api/v1/rendezvous-info', { method: 'PUT', json: { directives: [at] } })
  await initialize(maker, count)
}

/** DI for so many devices. */
async function initialize({ url }: OwnService, count: number): Promise<void> {
  await makeAll({ count, concurrency: 8, di: url })
}

/** What is not taken in is no measurement. */
export async function takeIn({ api }: OwnService, body: Buffer, count: number): Promise<void> {
  const call = { method: 'POST', body, contentType: 'application/octet-stream' }
  let taken = 0
  for await (const result of api.lines<ImportResult>('/api/v1/vouchers', call)) {
    if (!result.ok) throw new Error(`not taken in: ${result.check}: ${result.detail}`)
    taken++
  }
  if (taken !== count) throw new Error(`${taken} of ${count} taken in`)
}

/** So that vouchers sold to the key can be taken in. */
export async function bringKey({ api }: OwnService, { ownerKey }: Factory): Promise<void> {
  const key = { method: 'POST', body: ownerKey, contentType: 'application/x-pem-file' }
  await api.send('/api/v1/keys', key)
}
