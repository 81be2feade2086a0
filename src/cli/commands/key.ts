/** `firstlight key`: what keys there are; made, brought, replaced and removed. */
import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import { toPem } from '../../../protocol/x509/pem.ts'
import { type Listed, call, listAll } from '../api.ts'
import { run, runWithApi } from '../command.ts'
import { CliFailure } from '../failure.ts'
import { table } from '../output.ts'
import { signChallenge } from '../partner-proof.ts'

type Key = Listed<'GET /keys'>

export function keyCommand(): Command {
  const key = new Command('key').description('the keys of the service')
  addImport(key)
  addList(key)
  addChanges(key)
  addShow(key)
  addProve(key)
  return key
}

function addImport(key: Command): void {
  runWithApi<{ purpose: string; passphraseFile?: string }>(
    key
      .command('import')
      .description('add a private key made elsewhere (PKCS#8, PKCS#12 and others, PEM or DER)')
      .argument('<file>')
      .option('--passphrase-file <file>', 'a file with its passphrase, in the first line')
      .option('--purpose <purpose>', 'what it is for', 'owner'),
    async (api, { purpose, passphraseFile }, output, [file = '']) => {
      const added = await call(api, 'POST /keys', {
        query: { purpose: wordOf('--purpose', purpose, ['owner']) },
        ...bodyOf(readFileSync(file), passphraseFile),
      })
      output.result(added, ({ type, fingerprint }) => `added ${purpose} key ${type} ${fingerprint}`)
    },
  )
}

function addList(key: Command): void {
  runWithApi(
    key.command('list').description('list the keys, which are in use, and how many vouchers hold'),
    async (api, _options, output) => {
      const keys = await listAll(api, 'GET /keys', {})
      output.result(keys.map(shortOf), (rows) =>
        table(rows, [
          { title: 'PURPOSE', value: ({ purpose }) => purpose },
          { title: 'TYPE', value: ({ type }) => type },
          { title: 'STATE', value: stateOf },
          { title: 'HELD', value: heldOf, right: true },
          { title: 'ID', value: ({ id }) => id },
        ]),
      )
    },
  )
}

function addChanges(key: Command): void {
  runWithApi<{ purpose: string; type: string }>(
    key
      .command('make')
      .description('make the first key of a purpose and type; where there is one, rotate it')
      .requiredOption('--purpose <purpose>', 'manufacturer or owner')
      .requiredOption('--type <type>', TYPES.join(', ')),
    async (api, options, output) => {
      const json = {
        purpose: wordOf('--purpose', options.purpose, ['manufacturer', 'owner']),
        type: wordOf('--type', options.type, TYPES),
      }
      const made = await call(api, 'POST /keys/make', { json })
      output.result(made, ({ id, purpose, type }) => `made ${purpose} key ${type} ${id}`)
    },
  )
  runWithApi(
    key
      .command('rotate')
      .description('make the key that takes its place; it goes on serving what was signed to it')
      .argument('<id>'),
    async (api, _options, output, [id = '']) => {
      const made = await call(api, 'POST /keys/{id}/rotate', { params: { id } })
      output.result(made, () => `${made.id} is used in the place of ${id}`)
      output.note('partners who pinned the old key have to be told: firstlight key show')
    },
  )
  runWithApi(
    key
      .command('remove')
      .description('destroy a key that is not in use, and that no voucher is with')
      .argument('<id>'),
    async (api, _options, output, [id = '']) => {
      await call(api, 'DELETE /keys/{id}', { params: { id } })
      output.result({ id, removed: true }, () => `removed ${id}`)
    },
  )
}

function addShow(key: Command): void {
  runWithApi(
    key
      .command('show')
      .description('the public key, PEM: what others extend vouchers to')
      .argument('<id>'),
    async (api, _options, output, [id = '']) => {
      const keys = await listAll(api, 'GET /keys', {})
      const found = keys.find((one) => one.id === id || one.fingerprint === id)
      if (!found) {
        throw new CliFailure('refused', `the service has no key ${id}`, {
          code: 'not-found',
          next: 'firstlight key list names them',
        })
      }
      const pem = toPem('PUBLIC KEY', Buffer.from(found.public_key, 'base64'))
      output.result({ ...found, public_key: pem }, () => pem.trimEnd())
    },
  )
}

function addProve(key: Command): void {
  run<{ key: string }>(
    key
      .command('prove')
      .description('sign the challenge of one who sells to us: it proves that we hold the key')
      .argument('<challenge>', 'the file with the challenge')
      .requiredOption('--key <file>', 'the private key'),
    async ({ key: file }, output, [challenge = '']) => {
      const proof = await signChallenge(file, challenge)
      output.result(proof, ({ signature }) => signature)
    },
  )
}

const TYPES = ['p256', 'p384', 'rsa2048', 'rsa3072'] as const

/** Without what is long: see show. */
function shortOf({ public_key: _, created_at: __, ...key }: Key) {
  return key
}

function stateOf({ state, retired_at }: Pick<Key, 'state' | 'retired_at'>): string {
  return retired_at === null ? state : `${state} ${retired_at.slice(0, 10)}`
}

function heldOf({ vouchers, vouchers_cut }: Pick<Key, 'vouchers' | 'vouchers_cut'>): string {
  return vouchers_cut ? `${vouchers}+` : String(vouchers)
}

/** The service opens the file: only it knows what it takes. */
function bodyOf(file: Buffer, passphraseFile: string | undefined) {
  if (passphraseFile === undefined) return { body: file, contentType: 'application/octet-stream' }
  const [passphrase] = readFileSync(passphraseFile, 'utf8').split(/\r?\n/)
  const body = JSON.stringify({ file: file.toString('base64'), passphrase })
  return { body, contentType: 'application/json' }
}

function wordOf<Word extends string>(option: string, text: string, words: readonly Word[]): Word {
  const word = words.find((one) => one === text)
  if (word !== undefined) return word
  throw new CliFailure('usage', `${option}: there is no ${text}`, { next: words.join(', ') })
}
