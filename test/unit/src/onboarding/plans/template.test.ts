import fc from 'fast-check'
import { execFileSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import {
  type Place,
  type TemplateFacts,
  TemplateError,
  checkArguments,
  checkTemplate,
  parseTemplate,
  render,
} from '../../../../../src/onboarding/plans/template.ts'

const FACTS: TemplateFacts = {
  ...{ id: 'fdod_a', guid: 'aa'.repeat(16), party: 'fdop_home', partyName: 'acme' },
  ...{ group: 'g', model: 'Model 7', serial: 'SN-1' },
  devmod: {
    ...{ os: 'Linux', arch: 'arm', version: '1', device: 'd', sep: ';', bin: 'arm', sn: 'SN-2' },
    ...{ pathsep: '/', nl: '\n', tmp: null, dir: null, progenv: null, mudurl: null, modules: [] },
  },
}
const withSerial = (serial: string | null) => ({ ...FACTS, serial })
const rendered = (template: string, facts = FACTS, place: Place = 'content') =>
  render(template, place, facts)

describe('a template', () => {
  it('names facts of the device', () => {
    const template =
      '{{guid}} {{device}} {{ serial }} {{model}} {{group}} {{party.id}} {{party.name}}'
    expect(rendered(template)).toBe(`${FACTS.guid} fdod_a SN-1 Model 7 g fdop_home acme`)
    expect(rendered('{{devmod.os}}/{{devmod.arch}}')).toBe('Linux/arm')
    expect(rendered('{{serial}}', withSerial(null))).toBe('SN-2')
  })

  it('has braces of its own where they are doubled, and nothing else to it', () => {
    expect(rendered('{{{{serial}} }} { } {x}')).toBe('{{serial}} }} { } {x}')
    expect(rendered('{{serial|raw}}', withSerial('{{guid}}'))).toBe('{{guid}}')
  })

  it.each([
    ['{{colour}}', 'one of guid'],
    ['{{devmod.modules}}', 'one of guid'],
    ['{{constructor}}', 'one of guid'],
    ['{{serial', 'one of guid'],
    ['{{}}', 'one of guid'],
    ['{{serial|upper}}', 'the forms are json'],
    ['{{serial|json|sh}}', 'the forms are json'],
    ['{{serial|constructor}}', 'the forms are json'],
  ])('is refused as %s', (template, reason) => {
    expect(() => parseTemplate(template)).toThrow(reason)
  })

  it('is refused for a device of which that is not known, and says when it will be', () => {
    expect(() => rendered('{{devmod.tmp}}')).toThrow('nothing is known of it for this device')
    const silent = { ...withSerial(null), devmod: undefined }
    expect(() => rendered('{{serial}}', silent)).toThrow('before it has said what it is')
    expect(() => rendered('{{devmod.os}}', silent)).toThrow('before it has said what it is')
  })

  it.each(['"; x', '$(id)', '`id`', '<b>', "it's", 'a\\b', '{x}', '%2e', 'a&b', '#', '!', '*'])(
    'takes no %s without a form',
    (serial) => {
      expect(() => rendered('{{serial}}', withSerial(serial))).toThrow('name a form')
    },
  )

  it.each(['a\nb', 'a\0', 'a\u001b[0m', 'a\u2028b', 'a\ud800'])('takes no %j at all', (serial) => {
    for (const form of ['', '|raw', '|json', '|sh', '|url']) {
      expect(() => rendered(`{{serial${form}}}`, withSerial(serial))).toThrow('control characters')
    }
    for (const place of ['argument', 'url', 'path'] as const) {
      expect(() => rendered('{{serial}}', withSerial(serial), place)).toThrow('control characters')
    }
  })

  it('puts anything into JSON, and it is what it was', () => {
    fc.assert(
      fc.property(printable, (serial) => {
        const text = rendered('{"serial": "{{serial|json}}"}', withSerial(serial))
        expect(JSON.parse(text)).toEqual({ serial })
      }),
    )
  })

  it('puts anything into a shell script, as one word', () => {
    for (const serial of ["'; echo x; '", '$(id)', '\\', 'a\'b"c', ' ', '']) {
      const script = rendered('printf %s {{serial|sh}}', withSerial(serial))
      expect(execFileSync('sh', ['-c', script]).toString()).toBe(serial)
    }
  })

  it('has no forms where the place has its own', () => {
    for (const place of ['path', 'argument', 'url'] as const) {
      expect(() => checkTemplate('{{serial|raw}}', place)).toThrow('forms are for contents only')
    }
    checkTemplate('{{serial|raw}}', 'content')
  })
})

describe('what is put into a path', () => {
  it('stays where it is put', () => {
    expect(rendered('logs/{{serial}}.log', FACTS, 'path')).toBe('logs/SN-1.log')
    for (const serial of ['..', '.', '', '...', 'a/b', '../x', 'a\\b', 'C:\\x']) {
      expect(() => rendered('logs/{{serial}}/x', withSerial(serial), 'path')).toThrow(TemplateError)
    }
  })

  it('never leads out of its folder, whatever a device says', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (serial) => {
        try {
          const path = rendered('a/{{serial}}/b', withSerial(serial), 'path')
          expect(path.split('/')).toHaveLength(3)
          expect(path.split('/')[1]).not.toMatch(/^\.*$|\\/)
        } catch (error) {
          expect(error).toBeInstanceOf(TemplateError)
        }
      }),
    )
  })
})

describe('what is put into a URL', () => {
  it('changes neither host nor path nor query', () => {
    fc.assert(
      fc.property(printable, (serial) => {
        const url = new URL(rendered('https://h.test/a?x={{serial}}', withSerial(serial), 'url'))
        expect(url.host + url.pathname + url.hash).toBe('h.test/a')
        expect([...url.searchParams]).toEqual([['x', serial]])
      }),
    )
  })
})

describe('what is put among arguments', () => {
  it('is one argument, and no option', () => {
    expect(rendered('{{serial}}', withSerial('a b; $(x)'), 'argument')).toBe('a b; $(x)')
    expect(rendered('--name={{serial}}', withSerial('-x'), 'argument')).toBe('--name=-x')
    expect(() => rendered('{{serial}}', withSerial('--help'), 'argument')).toThrow('an option')
  })

  it.each([
    ['echo', ['{{serial}}', 'x{{guid}}']],
    ['/bin/sh', ['-c', 'echo "$1"', 'sh', '{{serial}}']],
    ['sudo', ['hostnamectl', 'set-hostname', '{{model}}']],
    ['sh', ['setup.sh', '{{serial}}']],
  ])('may be put into %s %j', (command, args) => {
    expect(() => checkArguments(command, args)).not.toThrow()
  })

  it.each([
    ['sh', ['-c', 'echo {{serial}}']],
    ['/bin/bash', ['-ec', '{{serial}}']],
    ['sudo', ['-u', 'x', 'bash', '-c', '{{serial}}']],
    ['env', ['sh', '-c', 'echo {{serial}}']],
    ['python3', ['-c', '{{serial}}']],
    ['node', ['--eval', '{{serial}}']],
    ['powershell.exe', ['-Command', '{{serial}}']],
    ['cmd', ['/c', 'echo {{serial}}']],
    ['awk', ['{{serial}}']],
    ['sed', ['-e', 's/x/{{serial}}/']],
    ['xargs', ['{{serial}}']],
    ['echo', ['{{serial|sh}}']],
    ['echo', ['{{colour}}']],
  ])('may not be put into %s %j', (command, args) => {
    expect(() => checkArguments(command, args)).toThrow(TemplateError)
  })
})

const printable = fc
  .string({ unit: 'grapheme' })
  .filter((text) => !/\p{Cc}|\p{Cs}|[\u2028\u2029]/u.test(text))
