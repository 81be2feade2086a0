/** A service, and the commands of a script on its machine. */
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import { type Ended, type Ready, ServeProcess, firstlight, freePort, until } from './programs.ts'

export class CliWorld {
  readonly folder: string
  readonly server: ServeProcess
  readonly ready: Ready

  static async start(): Promise<CliWorld> {
    const folder = mkdtempSync(join(tmpdir(), 'firstlight-cli-'))
    const variables = { FIRSTLIGHT_TLS_PORT: String(await freePort()), FIRSTLIGHT_TRUST: 'any' }
    const server = new ServeProcess(join(folder, 'data'), await freePort(), variables)
    return new CliWorld(folder, server, await server.start())
  }

  private constructor(folder: string, server: ServeProcess, ready: Ready) {
    this.folder = folder
    this.server = server
    this.ready = ready
  }

  async end(): Promise<void> {
    await this.server.kill()
    rmSync(this.folder, { recursive: true })
  }

  file(name: string): string {
    return join(this.folder, name)
  }

  get local() {
    return { FIRSTLIGHT_DATA: this.server.folder, FIRSTLIGHT_URL: this.server.url }
  }

  /** With `--json`, as one on the service's own machine. */
  asked(...args: string[]): Promise<Ended> {
    return firstlight([...args, '--json'], this.local)
  }

  /** The document of a command that must succeed. */
  async told<T = Record<string, unknown>>(...args: string[]): Promise<T> {
    const { status, stdout, stderr, json } = await this.asked(...args)
    if (status !== 0) throw new Error(`${args.join(' ')}: ${status} ${stdout} ${stderr}`)
    return json as T
  }

  /** A device whose owner waits for it at the rendezvous. */
  async madeDevice(name: string, ...more: string[]) {
    const { server } = this
    const credential = this.file(`${name}.credential`)
    const args = ['--di', server.url, '--credential', credential, '--serial', name, ...more]
    const { guid } = await this.told<{ guid: string }>('device', 'init', ...args)
    await until(`${guid} is registered`, async () => {
      const devices = await server.list<{ guid: string; state: string }>('/devices')
      return devices.some((one) => one.guid === guid && one.state === 'registered')
    })
    return { guid, credential, sandbox: this.file(name) }
  }

  /** Files of a key pair. */
  pemKeys(name: string) {
    const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const key = this.file(`${name}.key.pem`)
    const publicKey = this.file(`${name}.pub.pem`)
    writeFileSync(key, pair.privateKey.export({ type: 'pkcs8', format: 'pem' }))
    writeFileSync(publicKey, pair.publicKey.export({ type: 'spki', format: 'pem' }))
    return { key, publicKey }
  }
}

/** What `--json` prints where a command fails. */
export const errorDocument = (code: unknown) => ({
  error: { code, message: expect.stringMatching(/./), next: expect.toSatisfy(isNext) },
})
const isNext = (next: unknown) => next === null || typeof next === 'string'
