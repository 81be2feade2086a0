/** Completion as a shell does it: the script that is printed, in a real bash. */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { errorDocument } from '../support/cli-world.ts'
import { firstlight } from '../support/programs.ts'

const folder = mkdtempSync(join(tmpdir(), 'firstlight-completion-'))
const script = join(folder, 'firstlight.bash')
beforeAll(async () => {
  const { status, stdout } = await firstlight(['completion', 'bash'])
  expect(status).toBe(0)
  writeFileSync(script, stdout)
  writeFileSync(join(folder, 'a-voucher.pem'), '')
})
afterAll(() => rmSync(folder, { recursive: true }))

const bash = (text: string) =>
  execFileSync('bash', ['-uc', text], { cwd: folder, encoding: 'utf8' }).trim()

/** What bash offers for the last of these words. */
function offered(...words: readonly string[]): string[] {
  const typed = ['firstlight', ...words].map((word) => `'${word}'`).join(' ')
  const answer = bash(
    `source ${script}; COMP_WORDS=(${typed}); COMP_CWORD=${words.length}; _firstlight; ` +
      'printf "%s\\n" "${COMPREPLY[@]}"',
  )
  return answer.split('\n').filter((word) => word !== '')
}

describe('completion in bash', () => {
  it('is registered for our name', () => {
    expect(bash(`source ${script}; complete -p firstlight`)).toMatch(/-F _firstlight firstlight$/)
  })

  it('offers the commands, and those below them', () => {
    expect(offered('')).toEqual(
      expect.arrayContaining(['serve', 'voucher', 'device', 'completion', '--version', '--help']),
    )
    expect(offered('vou')).toEqual(['voucher'])
    expect(offered('voucher', 'e')).toEqual(['extend', 'export'])
    expect(offered('nonsense', 'vouch')).toEqual(['voucher'])
  })

  it('offers the options of the command they belong to', () => {
    expect(offered('voucher', 'export', '--o')).toEqual(['--out', '--origin'])
    expect(offered('token', 'create', '--n')).toEqual(['--name'])
    expect(offered('token', 'list', '--n')).toEqual([])
  })

  it('offers files where a command or an option takes one', () => {
    expect(offered('voucher', 'import', 'a-v')).toEqual(['a-voucher.pem'])
    expect(offered('serve', '--config', 'a-v')).toEqual(['a-voucher.pem'])
    expect(offered('voucher', 'list', 'a-v')).toEqual([])
  })
})

describe('completion', () => {
  it('for zsh is the same behind what lets it read that', async () => {
    const { stdout, json } = await firstlight(['completion', 'zsh', '--json'])
    expect(json).toMatchObject({ shell: 'zsh', script: expect.stringMatching(/^autoload -U \+X/) })
    expect(stdout).toContain('_firstlight')
    const zsh = spawnSync('zsh', ['-c', `${(json as { script: string }).script}\ntype _firstlight`])
    if (!zsh.error) expect(zsh.stdout.toString()).toContain('function')
  })

  it('is for those shells only', async () => {
    const { status, json } = await firstlight(['completion', 'fish', '--json'])
    expect({ status, json }).toEqual({ status: 2, json: errorDocument('usage') })
  })
})
