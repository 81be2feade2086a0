/** That a partner holds a key: `partner challenge`, `key prove` at theirs, and `partner prove`. */
import { hash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import type { Command } from 'commander'
import { fromBase64, toBase64, utf8 } from '../../protocol/bytes.ts'
import { type Listed, call, listAll } from './api.ts'
import type { ApiClient } from './api-client.ts'
import { runWithApi } from './command.ts'
import { CliFailure } from './failure.ts'
import { readPrivateKey } from './key-files.ts'

type Partner = Listed<'GET /partners'>
type Key = Partner['keys'][number]

const CHALLENGE = /^firstlight-key-proof-1:([0-9a-f]{64}):[\w-]+$/

export function addProofCommands(partner: Command): void {
  runWithApi<{ key?: string; out?: string }>(
    partner
      .command('challenge')
      .description('a text for a partner to sign: it proves that it holds its key')
      .argument('<partner>', 'its id or name')
      .option('--key <fingerprint>', 'which of its keys, if not the only one that is not proven')
      .option('--out <file>', 'where the text goes'),
    async (api, { key, out }, output, [called = '']) => {
      const { id, keys, name } = await findPartner(api, called)
      const { fingerprint, kind } = chosen(keys, key, name)
      const params = { id, fingerprint }
      const made = await call(api, 'POST /partners/{id}/keys/{fingerprint}/challenge', { params })
      if (out !== undefined) writeFileSync(out, made.challenge)
      output.result({ partner: id, fingerprint, kind, ...made }, ({ challenge }) =>
        out === undefined ? challenge : `written to ${out}`,
      )
      if (!output.json) output.note(`${name} signs it with its ${kind} key: ${howToSign(kind)}`)
    },
  )
  runWithApi(
    partner
      .command('prove')
      .description('what the partner signed: from now on vouchers are handed to its key')
      .argument('<partner>', 'its id or name')
      .argument('<challenge>', 'the file with the challenge')
      .argument('<signature>', 'the file with the signature, base64 or as it is'),
    async (api, _options, output, [called = '', challengeFile = '', signatureFile = '']) => {
      const { id } = await findPartner(api, called)
      const { challenge, fingerprint } = readChallenge(challengeFile)
      const json = { challenge, signature: readSignature(signatureFile) }
      const params = { id, fingerprint }
      const name = 'POST /partners/{id}/keys/{fingerprint}/proof'
      const proven = await call(api, name, { params, json })
      output.result(proven, () => `${proven.name} has proven to hold ${fingerprint}`)
    },
  )
}

/** By its id, or else by its name. */
export async function findPartner(api: ApiClient, called: string): Promise<Partner> {
  const partners = await listAll(api, 'GET /partners', { limit: 500 })
  const found =
    partners.find(({ id }) => id === called) ?? partners.find(({ name }) => name === called)
  if (found) return found
  throw new CliFailure('refused', `there is no partner ${called}`, {
    code: 'not-found',
    next: 'firstlight partner list names them',
  })
}

function chosen(keys: readonly Key[], wanted: string | undefined, name: string): Key {
  const fitting = keys.filter(({ fingerprint, proven_at }) =>
    wanted === undefined ? proven_at === null : fingerprint === wanted,
  )
  const [only, ...more] = fitting
  if (only && more.length === 0) return only
  const shown = keys.map(({ fingerprint, kind }) => `${kind} ${fingerprint}`).join(', ')
  throw new CliFailure(
    'usage',
    only ? `${name} has ${fitting.length} keys that are not proven` : `${name} has no such key`,
    { next: `--key, one of: ${shown || 'none, see firstlight partner replace --key'}` },
  )
}

function howToSign(kind: string): string {
  const digest = kind === 'p384' || kind === 'rsa3072' ? 'sha384' : 'sha256'
  return (
    'firstlight key prove challenge.txt; ' +
    `or: openssl dgst -${digest} -sign key.pem challenge.txt | base64`
  )
}

function readChallenge(file: string): { challenge: string; fingerprint: string } {
  const challenge = readFileSync(file, 'utf8').trim()
  const fingerprint = CHALLENGE.exec(challenge)?.[1]
  if (fingerprint !== undefined) return { challenge, fingerprint }
  throw new CliFailure('failed', `${file} is no challenge`, {
    code: 'file',
    next: 'it is what firstlight partner challenge gives',
  })
}

function readSignature(file: string): string {
  const content = readFileSync(file)
  const text = content.toString('latin1').replaceAll(/\s+/g, '')
  return fromBase64(text) ? text : toBase64(content)
}

/** By the service, which has the key that is asked for. */
export async function askForProof(api: ApiClient, challengeFile: string) {
  const { challenge } = readChallenge(challengeFile)
  return call(api, 'POST /key-proofs', { json: { challenge } })
}

/** By the private key in a file, which has to be the one that is asked for. */
export async function signChallenge(keyFile: string, challengeFile: string) {
  const { challenge, fingerprint } = readChallenge(challengeFile)
  const signer = readPrivateKey(keyFile)
  if (hash('sha256', signer.key.spki, 'hex') !== fingerprint) {
    throw new CliFailure('check-failed', `${keyFile} is not the key that is asked for`, {
      next: `the fingerprint of its public key is ${fingerprint}`,
    })
  }
  return { fingerprint, signature: toBase64(await signer.sign(utf8(challenge))) }
}
