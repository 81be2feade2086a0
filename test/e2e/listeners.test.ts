/** Addresses, ports and TLS as the configuration asks for them, and an orderly end. */
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { type Server, createServer } from 'node:net'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { afterEach, describe, expect, it } from 'vitest'
import { X509Certificate } from 'node:crypto'
import { certificatesToPem } from '../../protocol/x509/pem.ts'
import { ConfigError } from '../../src/config.ts'
import { StartRefused } from '../../src/secrets/master-key.ts'
import { certificateOf, ecKey } from '../support/certificates.ts'
import { call } from '../support/listening.ts'
import { PATIENCE_MS, type TestService, startTestService } from '../support/service.ts'
import { isOnPostgres } from '../support/database.ts'

let world: TestService | undefined
const start = async (variables: Record<string, string>) =>
  (world = await startTestService(variables))
afterEach(async () => {
  await world?.remove()
  world = undefined
}, PATIENCE_MS)

const isLive = async (url: string) => (await call(`${url}/health/live`, 'GET', {})).status === 200
const slow = { timeout: PATIENCE_MS }

describe('the listeners', slow, () => {
  it('are on every host, on one port', async () => {
    const { service } = await start({ FIRSTLIGHT_HOST: '127.0.0.1,::1' })
    const { port } = new URL(service.http ?? '')
    expect(service.http).toBe(`http://127.0.0.1:${port}`)
    expect(await isLive(`http://127.0.0.1:${port}`)).toBe(true)
    expect(await isLive(`http://[::1]:${port}`)).toBe(true)
  })

  it('tell devices an IPv6 address in brackets', async () => {
    const { service } = await start({ FIRSTLIGHT_HOST: '[::1]' })
    expect(service.publicUrl).toMatch(/^http:\/\/\[::1\]:\d+$/)
    expect(await isLive(service.publicUrl)).toBe(true)
  })

  it('tell devices what they are told to, where that is another address', async () => {
    const { service } = await start({
      FIRSTLIGHT_HOST: '0.0.0.0,::',
      FIRSTLIGHT_PUBLIC_URL: 'http://fdo.example:80/base',
    })
    expect(service.publicUrl).toBe('http://fdo.example:80/base')
    expect(await isLive(service.http ?? '')).toBe(true)
  })

  it('say which variable is at fault where a port is taken', async () => {
    const taken: Server = createServer()
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
    const address = taken.address()
    const port = String(address !== null && typeof address === 'object' ? address.port : 0)
    const starting = startTestService({ FIRSTLIGHT_PORT: port })
    await expect(starting).rejects.toThrow(ConfigError)
    await expect(starting).rejects.toThrow('FIRSTLIGHT_PORT')
    taken.close()
  })

  it('without HTTP have HTTPS alone', async () => {
    const { service } = await start({ FIRSTLIGHT_PORT: 'off', FIRSTLIGHT_TLS_PORT: '0' })
    expect(service.http).toBeNull()
    expect(service.publicUrl).toBe(service.https)
  })
})

describe('HTTPS', slow, () => {
  it('shows a certificate of our own CA, whose root is written for others to trust', async () => {
    const { service, folder } = await start({ FIRSTLIGHT_TLS_PORT: '0' })
    const ca = readFileSync(`${folder}/ca.pem`)
    for (const name of ['127.0.0.1', 'localhost']) {
      const url = new URL('/health/live', service.https ?? '')
      url.hostname = name
      const status = await new Promise((resolve, reject) => {
        const outgoing = request(url, { ca, agent: false }, (response) => {
          response.resume()
          resolve(response.statusCode)
        })
        outgoing.on('error', reject).end()
      })
      expect(status).toBe(200)
    }
  })

  it('shows the certificate it is given, if that has its key', async () => {
    const files = mkdtempSync(join(tmpdir(), 'firstlight-tls-'))
    const key = ecKey()
    const certificate = certificateOf({ key, subject: 'given' })
    writeFileSync(join(files, 'cert.pem'), certificatesToPem([certificate]))
    for (const [name, one] of Object.entries({ key, other: ecKey() })) {
      writeFileSync(join(files, `${name}.pem`), one.export({ type: 'pkcs8', format: 'pem' }))
    }
    const FIRSTLIGHT_TLS_CERT = join(files, 'cert.pem')
    const variables = (name: string) => ({
      FIRSTLIGHT_TLS_PORT: '0',
      FIRSTLIGHT_TLS_CERT,
      FIRSTLIGHT_TLS_KEY: join(files, `${name}.pem`),
    })
    await expect(start(variables('other'))).rejects.toThrow('FIRSTLIGHT_TLS_KEY')
    const { service } = await start(variables('key'))
    const { hostname, port } = new URL(service.https ?? '')
    const shown = await new Promise<Uint8Array>((resolve, reject) => {
      const socket = connect(Number(port), hostname, { rejectUnauthorized: false }, () => {
        resolve(socket.getPeerCertificate().raw)
        socket.destroy()
      })
      socket.on('error', reject)
    })
    expect(new Uint8Array(shown)).toEqual(new Uint8Array(certificate))
    rmSync(files, { recursive: true })
  })

  it('asks for a client certificate, and does without', async () => {
    const { service } = await start({ FIRSTLIGHT_TLS_PORT: '0' })
    const port = Number(new URL(service.https ?? '').port)
    const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false })
    await new Promise((resolve) => socket.once('secureConnect', resolve))
    expect(socket.getProtocol()).toMatch(/^TLSv1\.[23]$/)
    const peer = new X509Certificate(socket.getPeerX509Certificate()?.raw ?? '')
    expect(peer.subjectAltName).toContain('IP Address:127.0.0.1')
    socket.destroy()
  })
})

describe('a start', slow, () => {
  it('keeps its secrets to itself', async () => {
    const { folder } = await start({})
    expect(statSync(folder).mode & 0o077).toBe(0)
    const database = isOnPostgres ? [] : ['firstlight.sqlite']
    for (const file of ['master.key', 'admin.token', ...database]) {
      expect([file, statSync(`${folder}/${file}`).mode & 0o077]).toEqual([file, 0])
    }
  })

  it('is refused where the master key is gone, and leaves everything as it is', async () => {
    const { folder, stop } = await start({})
    await stop()
    rmSync(`${folder}/master.key`)
    await expect(startTestService({}, { folder })).rejects.toThrow(StartRefused)
    expect(existsSync(`${folder}/master.key`)).toBe(false)
  })

  it('plays the roles it is asked to', async () => {
    const { service } = await start({ FIRSTLIGHT_ROLES: 'rendezvous' })
    const statusOf = async (number: number) =>
      (await call(`${service.http}/fdo/101/msg/${number}`, 'POST', {}, 'x')).status
    expect([await statusOf(10), await statusOf(60)]).toEqual([404, 404])
    expect([await statusOf(20), await statusOf(30)]).toEqual([500, 500])
  })
})

describe('a stop', slow, () => {
  it('closes connections that are kept alive, and answers no more', async () => {
    const { service, stop } = await start({})
    const url = service.http ?? ''
    const { Agent, get } = await import('node:http')
    const agent = new Agent({ keepAlive: true })
    await new Promise((resolve) =>
      get(`${url}/health/ready`, { agent }, (response) => response.resume().on('end', resolve)),
    )
    const began = performance.now()
    await stop()
    expect(performance.now() - began).toBeLessThan(10_000)
    await expect(isLive(url)).rejects.toThrow('ECONNREFUSED')
    agent.destroy()
  })
})
