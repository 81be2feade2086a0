/** What commands print, and how they fail. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { PeerRefusal } from '../../../../protocol/error-message.ts'
import { FdoError } from '../../../../protocol/errors.ts'
import { VoucherError } from '../../../../protocol/voucher/voucher.ts'
import { CliFailure, failureOf } from '../../../../src/cli/failure.ts'
import { facts, outputOf, reportFailure, table } from '../../../../src/cli/output.ts'

let stdout = ''
let stderr = ''

beforeEach(() => {
  stdout = ''
  stderr = ''
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => ((stdout += String(text)), true))
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => ((stderr += String(text)), true))
})

afterEach(() => {
  vi.restoreAllMocks()
  process.exitCode = undefined
})

describe('a result', () => {
  it('is text for people', () => {
    outputOf({}).result({ n: 1 }, ({ n }) => `n is ${n}`)
    expect(stdout).toBe('n is 1\n')
  })

  it('is one JSON document for scripts, remarks go to stderr', () => {
    const output = outputOf({ json: true })
    output.note('working')
    output.result({ n: 1 }, () => 'unused')
    expect(JSON.parse(stdout)).toEqual({ n: 1 })
    expect(stderr).toBe('working\n')
  })
})

describe('a table', () => {
  const columns = [
    { title: 'NAME', value: (row: { name: string; count: number }) => row.name },
    { title: 'COUNT', value: (row: { name: string; count: number }) => row.count, right: true },
  ]

  it('lines up words on the left and numbers on the right', () => {
    const rows = [
      { name: 'a', count: 5 },
      { name: 'longer', count: 120 },
    ]
    expect(table(rows, columns, 80).split('\n')).toEqual([
      'NAME    COUNT',
      'a           5',
      'longer    120',
    ])
  })

  it('has its last column cut where the terminal is narrow', () => {
    const words = [columns[1]!, columns[0]!]
    const lines = table([{ name: 'x'.repeat(200), count: 1 }], words, 40).split('\n')
    expect(lines).toEqual(['COUNT  NAME', `    1  ${'x'.repeat(32)}…`])
  })

  it('becomes names and values where that would not leave enough', () => {
    const name = 'x'.repeat(36)
    const rows = [
      { name, count: 1 },
      { name: 'b', count: 22 },
    ]
    expect(table(rows, columns, 42)).toBe(`NAME   ${name}\nCOUNT  1\n\nNAME   b\nCOUNT  22`)
    expect(table(rows, columns, 43)).not.toContain('\n\n')
    const three = [columns[0]!, columns[1]!, columns[0]!]
    expect(table(rows, three, 61).split('\n\n')).toHaveLength(1)
    expect(table(rows, three, 60).split('\n\n')).toHaveLength(2)
  })

  it('is whole where there is no terminal', () => {
    const name = 'x'.repeat(200)
    expect(table([{ name, count: 1 }], columns)).toContain(`${name}      1`)
  })

  it('shows what is empty like what is missing', () => {
    expect(table([{ name: '', count: 1 }], columns)).toBe('NAME  COUNT\n–         1')
    expect(facts([['serial', '']])).toBe('serial  –')
  })

  it('says so where there is nothing', () => {
    expect(table([], columns)).toBe('(none)')
  })

  it('does not let names from outside steer the terminal', () => {
    expect(table([{ name: '\u001b[2Jgone', count: 1 }], columns, 80)).not.toContain('\u001b')
    expect(facts([['name', 'a\nb']])).toBe('name  a·b')
    expect(facts([['name', '\u202egpj.\u2066exe']])).toBe('name  ·gpj.·exe')
  })
})

describe('a failure', () => {
  it.each([
    ['failed', 1],
    ['usage', 2],
    ['refused', 3],
    ['unreachable', 4],
    ['check-failed', 5],
    ['authentication', 6],
    ['timed-out', 7],
  ] as const)('of kind %s ends the program with %i', (kind, status) => {
    reportFailure(new CliFailure(kind, 'because'), false)
    expect(process.exitCode).toBe(status)
    expect(stderr).toContain('because')
  })

  it('is a document with code, message and next step where scripts read', () => {
    reportFailure(new CliFailure('failed', 'because', { code: 'x', next: 'do that' }), true)
    expect(JSON.parse(stdout)).toEqual({
      error: { code: 'x', message: 'because', next: 'do that' },
    })
  })

  it('does not let a peer steer the terminal', () => {
    const text = 'gone\u001b[2J\r\nor not\u009b1A'
    reportFailure(new PeerRefusal({ code: 1, previousMessage: 30, text }), false)
    expect(stderr).toBe('error: the peer refused message 30: gone·[2J·\nor not·1A\n')
    outputOf({}).note('http://a: \u001b[2J')
    expect(stderr).toMatch(/\nhttp:..a: ·\[2J\n$/)
  })

  it('tells a server that is not there from anything else', () => {
    const refused = Object.assign(new Error('connect'), { code: 'ECONNREFUSED' })
    expect(failureOf(refused).kind).toBe('unreachable')
    expect(failureOf(Object.assign(new Error('slow'), { code: 'ETIMEDOUT' })).kind).toBe(
      'timed-out',
    )
    expect(failureOf(new Error('else')).kind).toBe('failed')
  })

  it('tells a refusal by the peer and a check of our own from anything else', () => {
    const said = { code: 101, previousMessage: 10, text: 'INVALID_MESSAGE_ERROR' }
    expect(failureOf(new PeerRefusal(said))).toMatchObject({ kind: 'refused', code: 'refused' })
    const flaw = { check: 'owner-key', detail: 'another key' } as const
    expect(failureOf(new VoucherError(flaw))).toMatchObject({
      kind: 'check-failed',
      code: 'owner-key',
    })
    expect(failureOf(new FdoError('CRED_REUSE_ERROR', 'no'))).toMatchObject({
      kind: 'check-failed',
      code: 'check-failed',
    })
  })

  it('knows a certificate that leads to no CA it was given, however deep it stands', () => {
    const cause = Object.assign(new Error('no'), { code: 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY' })
    expect(failureOf(new Error('wrapped', { cause }))).toMatchObject({
      kind: 'unreachable',
      code: 'certificate',
    })
  })
})
