/** Configuration: what is taken, what is refused, and by which name. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ConfigError, loadConfig } from '../../../src/config.ts'

let folder: string
let pem: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'firstlight-config-'))
  pem = join(folder, 'some.pem')
  writeFileSync(pem, '')
})
afterAll(() => rmSync(folder, { recursive: true }))

function file(document: unknown): string {
  const path = join(folder, 'config.json')
  writeFileSync(path, typeof document === 'string' ? document : JSON.stringify(document))
  return path
}

describe('loadConfig', () => {
  it('has a default for everything', () => {
    expect(loadConfig({})).toMatchObject({
      dataDir: join(process.cwd(), 'data'),
      masterKeyFile: join(process.cwd(), 'data/master.key'),
      roles: ['manufacturer', 'rendezvous', 'owner'],
      hosts: ['127.0.0.1'],
      port: 8080,
      tlsPort: 8443,
      tlsFiles: undefined,
      publicUrl: undefined,
      trustedProxies: { addresses: [] },
      logLevel: 'info',
      diAllow: ['127.0.0.0/8', '::1/128'],
      firstOwner: 'self',
      trust: undefined,
      uniqueSerials: false,
      outboundAllow: undefined,
      to0Seconds: 2_592_000,
      databaseUrl: undefined,
      databaseConnections: 10,
      processes: 1,
    })
  })

  it('has one process for each core on PostgreSQL, or as many as it is told', () => {
    const shared = { DATABASE_URL: 'postgres://fdo@db.example/fdo' }
    expect(loadConfig(shared).processes).toBe(availableParallelism())
    const path = file({ processes: 3 })
    expect(loadConfig(shared, path).processes).toBe(3)
    expect(loadConfig({ FIRSTLIGHT_PROCESSES: '1' }).processes).toBe(1)
    expect(() => loadConfig({ FIRSTLIGHT_PROCESSES: '2' })).toThrow(
      'FIRSTLIGHT_PROCESSES: more than 1 need PostgreSQL (DATABASE_URL)',
    )
  })

  it('shares out the connections that PostgreSQL takes without being told', () => {
    const connectionsOf = (processes: number, more = {}) =>
      loadConfig({
        DATABASE_URL: 'postgres://fdo@db.example/fdo',
        FIRSTLIGHT_PROCESSES: String(processes),
        ...more,
      }).databaseConnections
    expect([1, 7, 8, 16, 100].map((count) => connectionsOf(count))).toEqual([10, 10, 8, 4, 2])
    expect(connectionsOf(100, { FIRSTLIGHT_DATABASE_POOL: '10' })).toBe(10)
  })

  it('reads the environment', () => {
    const config = loadConfig({
      FIRSTLIGHT_DATA: '/srv/fdo',
      FIRSTLIGHT_ROLES: 'owner, rendezvous',
      FIRSTLIGHT_HOST: '0.0.0.0,::',
      FIRSTLIGHT_PORT: '0',
      FIRSTLIGHT_TLS_PORT: 'off',
      FIRSTLIGHT_PUBLIC_URL: 'https://fdo.example/base/',
      FIRSTLIGHT_DI_ALLOW: '10.0.0.0/8,192.168.1.7,fd00::/8',
      FIRSTLIGHT_UNIQUE_SERIALS: '1',
      FIRSTLIGHT_OUTBOUND_ALLOW: '10.1.0.0/16',
      DATABASE_URL: 'postgres://fdo@db.example/fdo',
      FIRSTLIGHT_DATABASE_POOL: '25',
    })
    expect(config).toMatchObject({
      databaseFile: '/srv/fdo/firstlight.sqlite',
      databaseUrl: 'postgres://fdo@db.example/fdo',
      databaseConnections: 25,
      roles: ['rendezvous', 'owner'],
      hosts: ['0.0.0.0', '::'],
      port: 0,
      tlsPort: undefined,
      publicUrl: 'https://fdo.example/base',
      diAllow: ['10.0.0.0/8', '192.168.1.7', 'fd00::/8'],
      uniqueSerials: true,
      outboundAllow: ['10.1.0.0/16'],
    })
  })

  it('reads a file, over which the environment wins', () => {
    const path = file({ port: 1, tls_port: 'off', roles: ['owner'], unique_serials: true })
    expect(loadConfig({ FIRSTLIGHT_PORT: '2' }, path)).toMatchObject({
      port: 2,
      tlsPort: undefined,
      roles: ['owner'],
      uniqueSerials: true,
    })
  })

  it('knows the database by the same name in the file, in lower case', () => {
    const path = file({ database_url: 'postgresql://db.example/fdo', database_pool: 3 })
    expect(loadConfig({}, path)).toMatchObject({
      databaseUrl: 'postgresql://db.example/fdo',
      databaseConnections: 3,
    })
  })

  it("leaves other programs' variables alone, and takes an empty one as none", () => {
    const others = { PATH: '/bin', FIRSTLIGHT_URL: 'x', FIRSTLIGHT_TOKEN: 'y', FIRSTLIGHT_CA: 'z' }
    expect(loadConfig({ ...others, FIRSTLIGHT_PORT: '' }).port).toBe(8080)
  })

  it.each([
    ['FIRSTLIGHT_PROT', { FIRSTLIGHT_PROT: '80' }],
    ['FIRSTLIGHT_PORT', { FIRSTLIGHT_PORT: '65536' }],
    ['FIRSTLIGHT_PORT', { FIRSTLIGHT_PORT: '-1' }],
    ['FIRSTLIGHT_PORT: a port number', { FIRSTLIGHT_PORT: 'http' }],
    ['FIRSTLIGHT_TLS_PORT', { FIRSTLIGHT_PORT: 'off', FIRSTLIGHT_TLS_PORT: 'off' }],
    ['FIRSTLIGHT_ROLES', { FIRSTLIGHT_ROLES: 'owner,reseller' }],
    ['FIRSTLIGHT_ROLES', { FIRSTLIGHT_ROLES: ',' }],
    ['FIRSTLIGHT_PUBLIC_URL: an address such as', { FIRSTLIGHT_PUBLIC_URL: 'fdo.example' }],
    ['FIRSTLIGHT_PUBLIC_URL', { FIRSTLIGHT_HOST: '::' }],
    ['FIRSTLIGHT_PUBLIC_URL: the host as', { FIRSTLIGHT_PUBLIC_URL: 'http://0.0.0.0:8080' }],
    ['FIRSTLIGHT_PUBLIC_URL: the host as', { FIRSTLIGHT_PUBLIC_URL: 'http://[::]' }],
    ['FIRSTLIGHT_DI_ALLOW', { FIRSTLIGHT_DI_ALLOW: '10.0.0.0/33' }],
    ['FIRSTLIGHT_DI_ALLOW', { FIRSTLIGHT_DI_ALLOW: 'factory' }],
    ['FIRSTLIGHT_OUTBOUND_ALLOW', { FIRSTLIGHT_OUTBOUND_ALLOW: 'intranet' }],
    ['FIRSTLIGHT_TO0_SECONDS', { FIRSTLIGHT_TO0_SECONDS: '59' }],
    ['FIRSTLIGHT_TO0_SECONDS', { FIRSTLIGHT_TO0_SECONDS: 'a week' }],
    ['FIRSTLIGHT_LOG', { FIRSTLIGHT_LOG: 'loud' }],
    ['DATABASE_URL', { DATABASE_URL: 'postgres://fdo@db.example:port/fdo' }],
    ['DATABASE_URL', { DATABASE_URL: 'mysql://fdo@db.example/fdo' }],
    ['FIRSTLIGHT_DATABASE_POOL', { FIRSTLIGHT_DATABASE_POOL: '1' }],
    ['FIRSTLIGHT_DATABASE_POOL', { FIRSTLIGHT_DATABASE_POOL: 'many' }],
    ['FIRSTLIGHT_PROCESSES', { FIRSTLIGHT_PROCESSES: '0' }],
    ['FIRSTLIGHT_PROCESSES', { FIRSTLIGHT_PROCESSES: 'all' }],
    ['FIRSTLIGHT_UNIQUE_SERIALS', { FIRSTLIGHT_UNIQUE_SERIALS: 'yes' }],
    ['FIRSTLIGHT_FIRST_OWNER', { FIRSTLIGHT_FIRST_OWNER: '/none.pem' }],
    ['FIRSTLIGHT_TRUST', { FIRSTLIGHT_TRUST: '/none.pem' }],
    ['FIRSTLIGHT_TLS_CERT', { FIRSTLIGHT_TLS_CERT: '/none.pem' }],
    ['FIRSTLIGHT_DI_CLIENT_CA', { FIRSTLIGHT_DI_CLIENT_CA: '/none.pem' }],
  ])('refuses what is wrong with %s, by its name: %o', (variable, environment) => {
    expect(() => loadConfig(environment)).toThrow(ConfigError)
    expect(() => loadConfig(environment)).toThrow(variable)
  })

  it('wants a token whole, or not at all', () => {
    const all = {
      FIRSTLIGHT_PKCS11_MODULE: pem,
      FIRSTLIGHT_PKCS11_TOKEN: 'keys',
      FIRSTLIGHT_PKCS11_PIN_FILE: pem,
    }
    expect(loadConfig(all).pkcs11).toEqual({ module: pem, token: 'keys', pinFile: pem })
    expect(loadConfig({}).pkcs11).toBeUndefined()
    for (const name of Object.keys(all)) {
      expect(() => loadConfig({ ...all, [name]: undefined })).toThrow('all three, or none')
    }
    const none = { ...all, FIRSTLIGHT_PKCS11_MODULE: '/none.so' }
    expect(() => loadConfig(none)).toThrow('FIRSTLIGHT_PKCS11_MODULE: there is no file')
  })

  it('wants a certificate and its key together', () => {
    expect(() => loadConfig({ FIRSTLIGHT_TLS_CERT: pem })).toThrow('FIRSTLIGHT_TLS_KEY')
    const both = { FIRSTLIGHT_TLS_CERT: pem, FIRSTLIGHT_TLS_KEY: pem }
    expect(loadConfig(both)).toMatchObject({
      tlsFiles: { cert: pem, key: pem },
      serverCertificateFile: pem,
    })
  })

  it("takes a certificate alone for a proxy's, where no HTTPS is offered here", () => {
    const off = { FIRSTLIGHT_TLS_PORT: 'off', FIRSTLIGHT_TLS_CERT: pem }
    expect(loadConfig(off)).toMatchObject({ tlsFiles: undefined, serverCertificateFile: pem })
    const keyOnly = { FIRSTLIGHT_TLS_PORT: 'off', FIRSTLIGHT_TLS_KEY: pem }
    expect(() => loadConfig(keyOnly)).toThrow('set both, or neither')
  })

  it('takes a word or a file where either makes sense', () => {
    const words = { FIRSTLIGHT_FIRST_OWNER: 'none', FIRSTLIGHT_TRUST: 'any' }
    expect(loadConfig(words)).toMatchObject({ firstOwner: 'none', trust: 'any' })
    const files = { FIRSTLIGHT_FIRST_OWNER: pem, FIRSTLIGHT_TRUST: pem }
    expect(loadConfig(files)).toMatchObject({ firstOwner: pem, trust: pem })
  })

  it('refuses a file that cannot be read, by its name', () => {
    expect(() => loadConfig({}, '/none.json')).toThrow('/none.json')
    expect(() => loadConfig({}, '/dev')).toThrow('/dev: cannot be read')
  })

  it.each([
    ['no JSON', '{\n  "port": 1,\n}', ':3: no JSON'],
    ['an end too early', '{\n  "port": 1,\n\n', ':2: no JSON'],
    ['a list', '[]', ':1: must be a JSON object'],
    [
      'a name nobody knows',
      '{\n  "port": 1,\n  "prot": 2\n}',
      ':3: FIRSTLIGHT_PROT: no such variable',
    ],
    ['a name in capitals', '{\n\n  "Port": 1\n}', ':3: Port is no name of a setting'],
    ['a name twice', '{\n  "port": 1,\n  "p\\u006frt": 2\n}', ':3: port is there twice'],
    ['an object', '{\n  "port": {"http": 1}\n}', ':2: port must be text'],
    ['a bad value', '{ "data": "\\"port\\":",\n"port": 99999 }', ':2: FIRSTLIGHT_PORT'],
  ])('names the line of a file with %s', (_, text, message) => {
    const path = file(text)
    expect(() => loadConfig({}, path)).toThrow(ConfigError)
    expect(() => loadConfig({}, path)).toThrow(path + message)
  })

  it('takes for a name only what is one, whatever the texts hold and an editor puts before', () => {
    const path = file('\ufeff{ "data": "\\"port\\": \\"port\\":", "roles": ["owner"], "port": 1 }')
    expect(loadConfig({}, path)).toMatchObject({ port: 1, roles: ['owner'] })
  })

  it('names no line where the environment is to blame', () => {
    const path = file({ port: 1 })
    expect(() => loadConfig({ FIRSTLIGHT_PORT: 'x' }, path)).toThrow(/^FIRSTLIGHT_PORT: /)
  })

  it('takes client certificates from proxies that are named, in a header that means nothing else', () => {
    const environment = {
      FIRSTLIGHT_TRUSTED_PROXIES: '10.0.0.1',
      FIRSTLIGHT_PROXY_CERTIFICATE_HEADER: 'Client-Cert',
    }
    expect(loadConfig(environment).trustedProxies).toEqual({
      addresses: ['10.0.0.1'],
      certificateHeader: 'client-cert',
    })
    const header = (name: string) => ({ ...environment, FIRSTLIGHT_PROXY_CERTIFICATE_HEADER: name })
    for (const name of ['X-Forwarded-For', 'Forwarded', 'x-real-ip', 'a b']) {
      expect(() => loadConfig(header(name))).toThrow('FIRSTLIGHT_PROXY_CERTIFICATE_HEADER')
    }
    const nobody = { ...environment, FIRSTLIGHT_TRUSTED_PROXIES: '' }
    expect(() => loadConfig(nobody)).toThrow('FIRSTLIGHT_TRUSTED_PROXIES must say')
  })
})
