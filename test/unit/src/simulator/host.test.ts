/** The machine as the ServiceInfo modules may touch it. */
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { concat, fromUtf8, utf8 } from '../../../../protocol/bytes.ts'
import { type DeviceHost, HostFailure } from '../../../../protocol/service-info/device-host.ts'
import { parseCsr } from '../../../../protocol/x509/csr.ts'
import { deviceTime, sandboxHost } from '../../../../src/simulator/host.ts'

let sandbox: string
let host: DeviceHost

beforeEach(() => {
  sandbox = mkdtempSync(join(tmpdir(), 'firstlight-host-'))
  host = sandboxHost({ sandbox, warn: () => {} })
})

afterEach(() => rmSync(sandbox, { recursive: true }))

describe('files', () => {
  it('take the place of the old one when they are whole, not before', async () => {
    const first = await host.files.create('etc/conf')
    await first.write(utf8('one'))
    await first.commit()
    const second = await host.files.create('etc/conf')
    await second.write(utf8('two'))
    expect(readFileSync(join(sandbox, 'etc/conf'), 'utf8')).toBe('one')
    await second.commit()
    expect(readFileSync(join(sandbox, 'etc/conf'), 'utf8')).toBe('two')
  })

  it('leave nothing behind when they are given up', async () => {
    const file = await host.files.create('conf')
    await file.write(utf8('half'))
    await file.discard()
    expect(readdirSync(sandbox)).toEqual([])
  })

  it('are for their owner alone', async () => {
    const file = await host.files.create('key.pem')
    await file.commit()
    expect(statSync(join(sandbox, 'key.pem')).mode & 0o777).toBe(0o600)
  })

  it('that cannot be written are a failure', async () => {
    mkdirSync(join(sandbox, 'folder', 'inside'), { recursive: true })
    const file = await host.files.create('folder')
    await expect(file.commit()).rejects.toBeInstanceOf(HostFailure)
  })

  it.each(['../out', 'a/../../out', '/../out'])('stay in the sandbox: %s', async (path) => {
    await expect(host.files.create(path)).rejects.toBeInstanceOf(HostFailure)
  })

  it('do not follow a link that leads out', async () => {
    symlinkSync(tmpdir(), join(sandbox, 'link'))
    await expect(host.files.create('link/file')).rejects.toBeInstanceOf(HostFailure)
    await expect(host.files.open('link/file')).rejects.toBeInstanceOf(HostFailure)
  })

  it('are read in parts, and absent ones are told from others', async () => {
    const file = await host.files.create('data')
    await file.write(utf8('0123456789'))
    await file.commit()
    const opened = await host.files.open('data')
    expect(opened?.length).toBe(10)
    expect(fromUtf8((await opened?.read(4, 3)) ?? utf8(''))).toBe('456')
    await opened?.close()
    expect(await host.files.open('nothing')).toBeUndefined()
    await expect(host.files.open('.')).rejects.toBeInstanceOf(HostFailure)
  })
})

describe('processes', () => {
  it('run in the sandbox and tell all they wrote with their end', async () => {
    const started = await host.run('sh', ['-c', 'pwd; echo oops >&2; exit 3'], {
      stdout: true,
      stderr: true,
    })
    const { stdout, stderr, exitCode } = await untilEnd(started)
    expect({ stdout, stderr, exitCode }).toEqual({
      stdout: `${sandbox}\n`,
      stderr: 'oops\n',
      exitCode: 3,
    })
  })

  it('see nothing of our environment but the path', async () => {
    process.env['FIRSTLIGHT_SECRET'] = 'hidden'
    const started = await host.run('env', [], { stdout: true, stderr: false })
    delete process.env['FIRSTLIGHT_SECRET']
    expect((await untilEnd(started)).stdout).not.toContain('hidden')
  })

  it('can be ended, and one that cannot start is a failure', async () => {
    const started = await host.run('sleep', ['60'], { stdout: false, stderr: false })
    started.kill()
    expect((await untilEnd(started)).exitCode).toBeLessThan(0)
    const nothing = host.run('no-such-program', [], { stdout: false, stderr: false })
    await expect(nothing).rejects.toBeInstanceOf(HostFailure)
  })

  async function untilEnd(started: Awaited<ReturnType<DeviceHost['run']>>) {
    const out = { stdout: '', stderr: '', exitCode: null as number | null }
    while (out.exitCode === null) {
      const news = await started.poll(1000)
      out.stdout += fromUtf8(news.stdout)
      out.stderr += fromUtf8(news.stderr)
      out.exitCode = news.exitCode
    }
    return out
  }
})

describe('documents', () => {
  it('are fetched, and an address nobody answers at is a failure', async () => {
    const server = createServer((_request, response) => response.end('hello'))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const document = await host.fetch(`http://127.0.0.1:${port}/x`)
    const parts: Uint8Array[] = []
    for await (const part of document.body) parts.push(part)
    expect(fromUtf8(concat(...parts))).toBe('hello')
    await new Promise((resolve) => server.close(resolve))
    await expect(host.fetch(`http://127.0.0.1:${port}/x`)).rejects.toBeInstanceOf(HostFailure)
  })
})

describe('keys and time', () => {
  it('a fresh key signs a request for itself', async () => {
    const [one, two] = [await host.keys.generate(), await host.keys.generate()]
    expect(one.pkcs8).not.toEqual(two.pkcs8)
    await expect(parseCsr(await one.createCsr())).resolves.toBeDefined()
  })

  it('a clock that says 1970 starts from what a certificate said, and never goes back', async () => {
    const [early, late] = [new Date('2026-11-01T00:00:00Z'), new Date('2026-11-22T00:00:00Z')]
    await host.clock.raiseFloor(late)
    await host.clock.raiseFloor(early)
    expect(await deviceTime(sandbox, new Date(0))).toEqual(late)
    const later = new Date('2030-01-01T00:00:00Z')
    expect(await deviceTime(sandbox, later)).toEqual(later)
  })
})
