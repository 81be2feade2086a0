/** What scripts rely on: commands, exit statuses, JSON documents. Every command is a process. */
import { execFile } from 'node:child_process'
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CliWorld, errorDocument } from '../support/cli-world.ts'
import { MAIN, ServeProcess, firstlight, freePort, until } from '../support/programs.ts'

let world: CliWorld
beforeAll(async () => {
  world = await CliWorld.start()
})
afterAll(() => world.end())

describe('firstlight serve', () => {
  it('says in one line that it is ready, and ends with 0 when told to stop', async () => {
    const other = new ServeProcess(world.file('other'), await freePort())
    const line = await other.start()
    expect(line).toEqual({
      event: 'ready',
      http: other.url,
      https: null,
      roles: ['manufacturer', 'rendezvous', 'owner'],
      pid: expect.any(Number),
    })
    expect(world.ready.https).toMatch(/^https:\/\/127\.0\.0\.1:\d+$/)
    expect((statSync(world.file('other/admin.token')).mode & 0o777).toString(8)).toBe('600')
    expect((statSync(world.file('other/master.key')).mode & 0o777).toString(8)).toBe('600')
    expect(await other.stop()).toBe(0)
  })

  it('does not start without the master key of its database', async () => {
    const other = new ServeProcess(world.file('keyless'), await freePort())
    await other.start()
    await other.stop()
    rmSync(world.file('keyless/master.key'))
    await expect(other.start()).rejects.toThrow(/status 1: firstlight: .*master/)
  })

  it('names the variable that is wrong', async () => {
    const { status, stderr } = await firstlight(['serve'], { FIRSTLIGHT_PORT: 'eighty' })
    expect(status).toBe(1)
    expect(stderr).toContain('FIRSTLIGHT_PORT')
    const told = await firstlight(['serve', '--json'], { FIRSTLIGHT_PORT: 'eighty' })
    expect(told).toMatchObject({ status: 1, json: errorDocument('configuration') })
  })

  it('is told to stop through npm start, too', async () => {
    const command = ['npm', 'start', '--silent']
    const other = new ServeProcess(world.file('by-npm'), await freePort(), {}, command)
    const { pid } = await other.start()
    const status = await other.stop()
    const isLeft = isRunning(pid)
    if (isLeft) process.kill(pid)
    expect({ status, isLeft }).toEqual({ status: 0, isLeft: false })
  })

  it('ends with 0 when told to stop before it is ready', async () => {
    const other = new ServeProcess(world.file('early'), await freePort())
    const ready = other.start()
    await until('it has begun', async () => existsSync(world.file('early')))
    expect(await other.stop()).toBe(0)
    await ready
  })
})

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false // There is no such process.
  }
}

describe('every command', () => {
  it('is found by npx', async () => {
    const { stdout } = await promisify(execFile)('npx', ['firstlight', 'token', '--help'])
    expect(stdout).toContain('Usage: firstlight token')
    accessSync('node_modules/.bin/firstlight', constants.X_OK)
  })

  it('explains itself', async () => {
    const commands = ['', 'serve', 'token', 'key', 'key show', 'voucher', 'device onboard', 'fleet']
    for (const command of commands) {
      const args = command.split(' ').filter((word) => word !== '')
      const { status, stdout } = await firstlight([...args, '--help'])
      expect(status).toBe(0)
      expect(stdout).toContain(`Usage: ${['firstlight', ...args].join(' ')}`)
    }
  })

  it('is explained by help, too', async () => {
    const explained = await firstlight(['device', '--help'])
    expect(await firstlight(['help', 'device'])).toEqual(explained)
  })

  it('says what is wrong with the command line, and where to read on', async () => {
    expect((await world.asked('fleet')).json).toEqual({
      error: {
        code: 'usage',
        message: "required option '--count <n>' not specified",
        next: 'firstlight fleet --help',
      },
    })
    expect((await world.asked('help', 'nonsense')).json).toEqual({
      error: { code: 'usage', message: 'no such command', next: 'firstlight --help' },
    })
  })

  it('ends with 2 where the command line is wrong', async () => {
    for (const args of [['nonsense'], ['device', 'init'], ['voucher', 'show']]) {
      const { status, json } = await world.asked(...args)
      expect({ args, status, json }).toEqual({ args, status: 2, json: errorDocument('usage') })
    }
    const fleet = ['fleet', '--count', '1', '--concurrency', '1', '--di']
    const badUrls = [
      ['key', 'list', '--url', 'ftp://127.0.0.1'],
      ['device', 'init', '--credential', world.file('none'), '--di', 'nowhere'],
      [...fleet, 'nowhere'],
      [...fleet, world.server.url, '--rv', 'nowhere'],
      [...fleet, world.server.url, '--owner', 'nowhere'],
    ]
    for (const args of badUrls) {
      const { status, json } = await world.asked(...args)
      expect({ args, status, json }).toEqual({ args, status: 2, json: errorDocument('usage') })
    }
    const guid = await world.asked('voucher', 'delete', 'not-a-guid')
    expect(guid).toMatchObject({ status: 2, json: errorDocument('usage') })
  })

  it('ends with 1 where it fails', async () => {
    const { status, json } = await world.asked('voucher', 'show', world.file('there-is-none'))
    expect({ status, json }).toEqual({ status: 1, json: errorDocument('file') })
    const guid = '0123456789abcdef0123456789abcdef'
    const named = await world.asked('voucher', 'show', guid)
    const next = expect.stringContaining(`voucher export ${guid}`)
    expect(named).toMatchObject({ status, json: { error: { code: 'file', next } } })
  })

  it('ends with 3 where the service refuses', async () => {
    const { status, json } = await world.asked('voucher', 'delete', '0'.repeat(32))
    expect({ status, json }).toEqual({ status: 3, json: errorDocument('not-found') })
  })

  it('ends with 4 where nobody is there', async () => {
    const url = `http://127.0.0.1:${await freePort()}`
    const listed = await world.asked('key', 'list', '--url', url)
    expect(listed).toMatchObject({ status: 4, json: errorDocument('unreachable') })
    const args = ['--di', url, '--credential', world.file('nobody.credential')]
    const made = await world.asked('device', 'init', ...args)
    expect(made).toMatchObject({ status: 4, json: errorDocument(expect.any(String)) })
  })

  it('ends with 6 where the token is not good, or missing', async () => {
    const variables = { ...world.local, FIRSTLIGHT_TOKEN: 'not-a-token' }
    const wrong = await firstlight(['key', 'list', '--json'], variables)
    const missing = await firstlight(['key', 'list', '--json'], {
      FIRSTLIGHT_URL: world.server.url,
    })
    const expected = { status: 6, json: errorDocument(expect.any(String)) }
    expect([wrong, missing]).toMatchObject([expected, expected])
  })

  it('ends quietly once its reader has enough, and not before its work is done', async () => {
    const piped = (args: readonly string[], errors: string) => {
      const script = `"$0" "$@" ${errors} | true; exit \${PIPESTATUS[0]}`
      const command = ['-c', script, process.execPath, MAIN, ...args]
      return promisify(execFile)('bash', command, { env: { ...process.env, ...world.local } })
    }
    for (const args of [
      ['token', 'list'],
      ['key', 'list', '--json'],
      ['completion', 'bash'],
    ]) {
      expect(await piped(args, '')).toEqual({ stdout: '', stderr: '' })
    }
    const { credential, guid } = await world.madeDevice('piped')
    const device = ['--credential', credential, '--sandbox', world.file('piped')]
    await piped(['device', 'onboard', ...device], '2>&1')
    const { state } = await world.told('device', 'get', guid)
    expect(state).toBe('onboarded')
  })

  it('ends with 7 where no answer comes', async () => {
    const silent = createServer(() => {})
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`
    const listed = await world.asked('key', 'list', '--url', url, '--timeout', '0.2')
    expect(listed).toMatchObject({ status: 7, json: errorDocument('timed-out') })
    const args = ['--di', url, '--credential', world.file('silent.credential'), '--timeout', '0.2']
    const made = await world.asked('device', 'init', ...args)
    expect(made).toMatchObject({ status: 7, json: errorDocument(expect.any(String)) })
    silent.close()
  })
})

describe('firstlight token', () => {
  it('makes, lists and revokes', async () => {
    const scope = ['--scope', 'voucher:read', '--ttl', '1h']
    const made = await world.told('token', 'create', '--name', 'ci', ...scope)
    expect(made).toMatchObject({ id: expect.any(String), name: 'ci', token: expect.any(String) })
    const listed = await world.told<{ id: string }[]>('token', 'list')
    expect(listed.find(({ id }) => id === made['id'])).toMatchObject({ scopes: ['voucher:read'] })
    expect(JSON.stringify(listed)).not.toContain(made['token'])

    const variables = { FIRSTLIGHT_URL: world.server.url, FIRSTLIGHT_TOKEN: String(made['token']) }
    const vouchers = await firstlight(['voucher', 'list', '--json'], variables)
    const keys = await firstlight(['key', 'list', '--json'], variables)
    expect([vouchers.status, keys.status]).toEqual([0, 6])

    await world.told('token', 'revoke', String(made['id']))
    expect((await firstlight(['voucher', 'list', '--json'], variables)).status).toBe(6)
  })

  it('replaces the administrator token of a stopped service', async () => {
    const other = new ServeProcess(world.file('lost'), await freePort())
    await other.start()
    await other.stop()
    const before = readFileSync(world.file('lost/admin.token'), 'utf8')
    rmSync(world.file('lost/admin.token'))
    const [settings, wrong] = [world.file('lost.json'), world.file('wrong.json')]
    writeFileSync(settings, JSON.stringify({ log: 'warn' }))
    writeFileSync(wrong, JSON.stringify({ database_ulr: 'postgres://127.0.0.1/x' }))
    const reset = ['token', 'reset-admin', '--data', world.file('lost'), '--config'] as const
    const refused = await world.asked(...reset, wrong)
    expect(refused).toMatchObject({ status: 1, json: errorDocument('configuration') })
    await world.told(...reset, settings)
    expect(readFileSync(world.file('lost/admin.token'), 'utf8')).not.toBe(before)
    expect(statSync(world.file('lost/admin.token')).mode & 0o777).toBe(0o600)
    await other.start()
    expect(await other.list('/tokens')).not.toHaveLength(0)
    const old = { FIRSTLIGHT_URL: other.url, FIRSTLIGHT_TOKEN: before.trim() }
    expect((await firstlight(['token', 'list', '--json'], old)).status).toBe(6)
    await other.stop()
  })

  it('makes no service where there is none', async () => {
    const { status } = await world.asked('token', 'reset-admin', '--data', world.file('no-such'))
    expect(status).toBe(1)
    expect(existsSync(world.file('no-such'))).toBe(false)
    mkdirSync(world.file('nothing'))
    const nothing = await world.asked('token', 'reset-admin', '--data', world.file('nothing'))
    expect(nothing).toMatchObject({ status: 1, json: errorDocument('file') })
    expect(readdirSync(world.file('nothing'))).toEqual([])
  })
})

describe('firstlight key', () => {
  it('imports a key, lists it, and shows its public half', async () => {
    const { key, publicKey } = world.pemKeys('imported')
    const { id } = await world.told<{ id: string }>('key', 'import', key)
    const listed = await world.told<{ id: string }[]>('key', 'list')
    expect(listed.find((one) => one.id === id)).toEqual({
      id,
      purpose: 'owner',
      type: 'p256',
      fingerprint: expect.stringMatching(/^[0-9a-f]{64}$/),
      ...{ origin: 'imported', state: 'kept', retired_at: null, vouchers: 0, vouchers_cut: false },
    })
    const shown = await firstlight(['key', 'show', id], world.local)
    expect(shown.stdout).toBe(readFileSync(publicKey, 'utf8'))
    expect(await world.asked('key', 'show', 'none')).toMatchObject({ status: 3 })
  })
})
