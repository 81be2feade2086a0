/** The files of the listener's certificate change while it listens. */
import type { KeyObject } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { certificatesToPem } from '../../../../protocol/x509/pem.ts'
import { FakeClock } from '../../../../src/clock.ts'
import { TlsFiles } from '../../../../src/http/tls-files.ts'
import { createLog } from '../../../../src/log.ts'
import { certificateOf, ecKey } from '../../../support/certificates.ts'

let folder: string
let lines: { readonly level: string; readonly msg: string; readonly reason?: string }[]
let used: string[]
const clock = new FakeClock('2026-06-01T00:00:00Z')
const log = createLog('info', { write: (line) => void lines.push(JSON.parse(line)) })

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'firstlight-tls-'))
  lines = []
  used = []
})
afterEach(() => rmSync(folder, { recursive: true }))

const path = (name: string) => join(folder, name)
const use = ({ cert }: { readonly cert: Buffer }) => void used.push(cert.toString())

function write(
  subject: string,
  { key = ecKey(), ...more }: { key?: KeyObject; notAfter?: Date; notBefore?: Date } = {},
): string {
  const pem = certificatesToPem([certificateOf({ key, subject, ...more })])
  writeFileSync(path('cert.pem'), pem)
  writeFileSync(path('key.pem'), key.export({ type: 'pkcs8', format: 'pem' }))
  return pem
}

const opened = () => new TlsFiles({ cert: path('cert.pem'), key: path('key.pem') }, { clock, log })

describe('the files of a certificate', () => {
  it('are used anew when they have changed, and only then', () => {
    write('first')
    const files = opened()
    files.reload(use)
    expect(used).toEqual([])
    const second = write('second')
    files.reload(use)
    files.reload(use)
    expect(used).toEqual([second])
    expect(files.current.cert.toString()).toBe(second)
    expect(lines.map(({ level }) => level)).toEqual(['info'])
  })

  it.each([
    ['has ended', { notAfter: new Date('2026-05-31T00:00:00Z') }, /it ended at/],
    ['has not begun', { notBefore: new Date('2026-06-02T00:00:00Z') }, /not in force before/],
  ])('are refused where the certificate %s', (_, dates, reason) => {
    const first = write('first')
    const files = opened()
    write('second', dates)
    files.reload(use)
    files.reload(use)
    expect(files.refusal).toMatch(reason)
    expect({ used, current: files.current.cert.toString() }).toEqual({ used: [], current: first })
    expect(lines).toMatchObject([{ level: 'error', reason: expect.stringMatching(reason) }])
  })

  it('are refused where they are none, do not fit together, or are gone; and taken once they do', () => {
    const first = write('first')
    const files = opened()
    writeFileSync(path('cert.pem'), 'no certificate')
    files.reload(use)
    expect(files.refusal).toMatch(/./)
    const key = ecKey()
    writeFileSync(path('cert.pem'), certificatesToPem([certificateOf({ key, subject: 'second' })]))
    files.reload(use)
    expect(files.refusal).toMatch(/mismatch/)
    rmSync(path('key.pem'))
    files.reload(use)
    expect(files.refusal).toMatch(/ENOENT/)
    expect(files.current.cert.toString()).toBe(first)
    writeFileSync(path('key.pem'), key.export({ type: 'pkcs8', format: 'pem' }))
    files.reload(use)
    expect(files.refusal).toBeUndefined()
    expect(used).toHaveLength(1)
  })

  it('are looked at from time to time, until the end', async () => {
    write('first')
    const files = opened()
    const stopped = new AbortController()
    const watching = files.watch(use, stopped.signal)
    const second = write('second')
    clock.advance(10_000)
    await new Promise(setImmediate)
    expect(used).toEqual([second])
    stopped.abort()
    await watching
  })

  it('are none to start with where they do not fit', () => {
    write('first')
    writeFileSync(path('key.pem'), ecKey().export({ type: 'pkcs8', format: 'pem' }))
    expect(opened).toThrow(/mismatch/)
  })
})
