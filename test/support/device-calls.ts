/** A device at the owner's API, with what TO2 has left it. */
import { request } from 'node:https'

export interface DeviceTls {
  readonly key: Uint8Array
  readonly cert: Uint8Array
  readonly ca: Uint8Array
}

/** GET, over mutual TLS where there is something to show. */
export function askAsDevice(
  url: URL,
  token: string,
  { ca, ...shown }: Pick<DeviceTls, 'ca'> & Partial<DeviceTls>,
): Promise<{ readonly status: number; readonly body: unknown }> {
  const own = Object.fromEntries(
    Object.entries(shown).map(([name, pem]) => [name, Buffer.from(pem)]),
  )
  const headers = { authorization: `Bearer ${token}` }
  return new Promise((resolve, reject) => {
    const call = request(
      url,
      { ...own, ca: Buffer.from(ca), headers, agent: false },
      (response) => {
        const parts: Buffer[] = []
        response.on('data', (part: Buffer) => parts.push(part))
        response.on('error', reject)
        response.on('end', () => {
          const { statusCode: status = 0 } = response
          resolve({ status, body: JSON.parse(Buffer.concat(parts).toString()) })
        })
      },
    )
    call.on('error', reject)
    call.end()
  })
}
