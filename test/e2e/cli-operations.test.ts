/** What an operator does to a service while it runs. */
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { certificatesToPem } from '../../protocol/x509/pem.ts'
import { Collector } from '../support/collector.ts'
import { CliWorld } from '../support/cli-world.ts'
import { certificateOf, ecKey } from '../support/certificates.ts'
import { ServeProcess, firstlight, freePort, until } from '../support/programs.ts'

let world: CliWorld
beforeAll(async () => {
  world = await CliWorld.start()
})
afterAll(() => world.end())

describe('a lost administrator token', () => {
  it('is replaced while the service runs: the new one works at once, and the old one does not', async () => {
    const { folder } = world.server
    const old = world.file('old.token')
    writeFileSync(old, readFileSync(join(folder, 'admin.token')))
    await world.told('token', 'reset-admin', '--data', folder)
    await world.told('token', 'list')
    const refused = await world.asked('token', 'list', '--token-file', old)
    expect(refused.json).toMatchObject({ error: { code: 'not-authenticated' } })
    const entries = await world.told<{ type: string; by: string }[]>(
      'audit',
      'list',
      '--limit',
      '2',
    )
    expect(entries).toMatchObject([
      { type: 'token-created', by: 'system' },
      { type: 'token-revoked', by: 'system' },
    ])
  })
})

describe('a running service', () => {
  it('does not have its master key rotated behind its back', async () => {
    const refused = await world.asked('master-key', 'rotate', '--data', world.server.folder)
    expect(refused).toMatchObject({ status: 1, json: { error: { code: 'in-use' } } })
    await world.told('key', 'list')
  })

  it('takes up a new certificate at SIGHUP', async () => {
    const write = (subject: string) => {
      const key = ecKey()
      writeFileSync(world.file('tls.pem'), certificatesToPem([certificateOf({ key, subject })]))
      writeFileSync(world.file('tls.key'), key.export({ type: 'pkcs8', format: 'pem' }))
    }
    write('first')
    const files = {
      FIRSTLIGHT_TLS_CERT: world.file('tls.pem'),
      FIRSTLIGHT_TLS_KEY: world.file('tls.key'),
    }
    const variables = { ...files, FIRSTLIGHT_TLS_PORT: '0' }
    const server = new ServeProcess(world.file('tls-data'), await freePort(), variables)
    const { https, pid } = await server.start()
    try {
      expect(await shownAt(https)).toBe('first')
      write('second')
      process.kill(pid, 'SIGHUP')
      await until('the new certificate is shown', async () => (await shownAt(https)) === 'second')
      writeFileSync(world.file('tls.pem'), 'broken')
      process.kill(pid, 'SIGHUP')
      expect(await shownAt(https)).toBe('second')
      expect(await server.stop()).toBe(0)
    } finally {
      await server.kill()
    }
  })
})

describe('the doctor', () => {
  const examine = (...more: string[]) =>
    world.asked('doctor', '--data', world.server.folder, ...more)

  it('says of a service that is well that it is, and with --json in one document', async () => {
    const variables = {
      FIRSTLIGHT_TLS_PORT: 'off',
      FIRSTLIGHT_PORT: new URL(world.server.url).port,
    }
    const args = ['doctor', '--data', world.server.folder]
    const seen = await firstlight([...args, '--json'], variables)
    expect(seen).toMatchObject({ status: 0, json: { ok: true } })
    const text = await firstlight(args, variables)
    expect(text.stdout).toMatch(/^ok {7}keys: the master key opens every private key$/m)
    expect(text.stdout).toMatch(
      /^warning {2}back-up: none has ever been made\n {11}firstlight backup/m,
    )
  })

  it('ends with status 5 where something is wrong, and says so of the configuration, too', async () => {
    chmodSync(world.server.folder, 0o755)
    const seen = await examine()
    expect(seen).toMatchObject({ status: 5, json: { ok: false } })
    chmodSync(world.server.folder, 0o700)
    const wrong = await firstlight(['doctor', '--json'], { FIRSTLIGHT_PORT: 'eighty' })
    expect(wrong.status).toBe(5)
    expect(wrong.json).toMatchObject({ findings: [{ check: 'configuration', status: 'problem' }] })
  })
})

describe('a device agent', () => {
  it('tells the services of its trace where OpenTelemetry is asked for', async () => {
    const { credential, sandbox } = await world.madeDevice('traced')
    const collector = new Collector()
    const OTEL_EXPORTER_OTLP_ENDPOINT = await collector.listen()
    const args = ['device', 'onboard', '--credential', credential, '--sandbox', sandbox, '--once']
    const done = await firstlight(args, { OTEL_EXPORTER_OTLP_ENDPOINT })
    collector.close()
    expect(done.status).toBe(0)
    expect(collector.spans).toMatchObject([{ name: 'device onboard', kind: 3, status: {} }])
    const wrong = await firstlight([...args, '--json'], { OTEL_EXPORTER_OTLP_ENDPOINT: 'otel' })
    expect(wrong.json).toMatchObject({ error: { code: 'configuration' } })
  })
})

/** The name in the certificate that is shown there. */
function shownAt(https: string | null): Promise<unknown> {
  const port = Number(new URL(https ?? '').port)
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate().subject.CN)
      socket.destroy()
    })
    socket.on('error', reject)
  })
}
