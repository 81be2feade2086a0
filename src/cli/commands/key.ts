/** `firstlight key`: owner keys made elsewhere, and what keys there are. */
import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import { toPem } from '../../../protocol/x509/pem.ts'
import { call, listAll } from '../api.ts'
import { run, runWithApi } from '../command.ts'
import { CliFailure } from '../failure.ts'
import { table } from '../output.ts'
import { signChallenge } from '../partner-proof.ts'

export function keyCommand(): Command {
  const key = new Command('key').description('the keys of the service')
  runWithApi<{ purpose: string; passphraseFile?: string }>(
    key
      .command('import')
      .description('add a private key made elsewhere (PKCS#8, PKCS#12 and others, PEM or DER)')
      .argument('<file>')
      .option('--passphrase-file <file>', 'a file with its passphrase, in the first line')
      .option('--purpose <purpose>', 'what it is for', 'owner'),
    async (api, { purpose, passphraseFile }, output, [file = '']) => {
      const added = await call(api, 'POST /keys', {
        query: { purpose: purposeOf(purpose) },
        ...bodyOf(readFileSync(file), passphraseFile),
      })
      output.result(added, ({ type, fingerprint }) => `added ${purpose} key ${type} ${fingerprint}`)
    },
  )
  runWithApi(key.command('list').description('list the keys'), async (api, _options, output) => {
    const keys = await listAll(api, 'GET /keys', {})
    const items = keys.map(({ id, purpose, type, fingerprint }) => ({
      id,
      purpose,
      type,
      fingerprint,
    }))
    output.result(items, (rows) =>
      table(rows, [
        { title: 'PURPOSE', value: ({ purpose }) => purpose },
        { title: 'TYPE', value: ({ type }) => type },
        { title: 'ID', value: ({ id }) => id },
        { title: 'FINGERPRINT', value: ({ fingerprint }) => fingerprint },
      ]),
    )
  })
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
  return key
}

/** The service opens the file: only it knows what it takes. */
function bodyOf(file: Buffer, passphraseFile: string | undefined) {
  if (passphraseFile === undefined) return { body: file, contentType: 'application/octet-stream' }
  const [passphrase] = readFileSync(passphraseFile, 'utf8').split(/\r?\n/)
  const body = JSON.stringify({ file: file.toString('base64'), passphrase })
  return { body, contentType: 'application/json' }
}

function purposeOf(purpose: string): 'owner' {
  if (purpose === 'owner') return purpose
  throw new CliFailure('usage', `--purpose: no such purpose: ${purpose}`, { next: 'owner' })
}
