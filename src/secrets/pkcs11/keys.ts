/** The keys in a PKCS#11 token, as Signers. */
import { hash, randomBytes } from 'node:crypto'
import { statSync } from 'node:fs'
import type { Bytes } from '../../../protocol/bytes.ts'
import { ALGORITHMS_OF, type SignatureAlgorithm } from '../../../protocol/cose/algorithms.ts'
import type { Signer } from '../../../protocol/crypto/signer.ts'
import { importSpki, verifySignature } from '../../../protocol/crypto/verify-key.ts'
import type { Log } from '../../log.ts'
import type { ExternalKey, ExternalKeys } from '../external-keys.ts'
import { StartRefused, refuseIfOpenToOthers } from '../master-key.ts'
import { loadBinding } from './binding.ts'
import { newLoginState } from './login.ts'
import { inputFor } from './mechanisms.ts'
import { type Listed, type Result, type Task, TokenSession } from './session.ts'
import { TokenThreads } from './threads.ts'
import { TokenError } from './token-error.ts'

export interface TokenConfig {
  /** The module's shared library. */
  readonly module: string
  /** The token's label. */
  readonly token: string
  /** A file with the PIN in its first line, for its owner alone. */
  readonly pinFile: string
}

export interface TokenSurroundings {
  readonly log: Pick<Log, 'warn'>
  /** `worker.ts`, compiled. Without it all is done in place. */
  readonly program?: URL | undefined
  /** How long a token may be silent. */
  readonly patienceMs?: number
}

/** Undefined where the sources run as they are, in tests: a thread of Node 20 reads no TypeScript. */
const PROGRAM = import.meta.url.endsWith('.js') ? new URL('worker.js', import.meta.url) : undefined
const PATIENCE_MS = 10_000
const CHECKED_BYTES = 32

interface Asked {
  ask(task: Task): Promise<Result>
  stop(): Promise<void>
}

/**
 * Throws StartRefused where there is no such token, or it does not let us in. A key that does not
 * sign what its public half verifies is left out, with a warning.
 */
export async function openTokenKeys(
  config: TokenConfig,
  { log, program = PROGRAM, patienceMs = PATIENCE_MS }: TokenSurroundings,
): Promise<ExternalKeys> {
  checkPinFile(config.pinFile)
  let asked: Asked | undefined
  try {
    asked = await reach(config, program, patienceMs)
    const listed = (await asked.ask({ do: 'list' })) as readonly Listed[]
    const keys = await checkedKeys(asked, listed, (label, reason) =>
      log.warn({ token: config.token, label, reason }, 'a key in the token is of no use'),
    )
    return new TokenKeys(asked, keys)
  } catch (cause) {
    await asked?.stop()
    if (!(cause instanceof TokenError)) throw cause
    throw new StartRefused(cause.message, { cause })
  }
}

async function reach(config: TokenConfig, program: URL | undefined, patienceMs: number) {
  // Here first: whether it is installed is better heard from it than from a thread's end.
  const binding = await loadBinding()
  const options = { ...config, login: newLoginState() }
  return program ? new TokenThreads(program, options, patienceMs) : inPlace(binding, options)
}

function inPlace(...[binding, options]: ConstructorParameters<typeof TokenSession>): Asked {
  const session = new TokenSession(binding, options)
  return { ask: async (task) => session.run(task), stop: async () => session.close() }
}

function checkPinFile(file: string): void {
  const found = statSync(file, { throwIfNoEntry: false })
  if (!found) throw new StartRefused(`there is no file ${file} for the token's PIN`)
  refuseIfOpenToOthers(file, found)
}

class TokenKeys implements ExternalKeys {
  readonly #asked: Asked
  readonly #keys: readonly ExternalKey[]

  constructor(asked: Asked, keys: readonly ExternalKey[]) {
    this.#asked = asked
    this.#keys = keys
  }

  list(): readonly ExternalKey[] {
    return this.#keys
  }

  signer(id: string, algorithm?: SignatureAlgorithm): Signer {
    const key = this.#keys.find((one) => one.id === id)
    if (!key) throw new Error(`no key ${id} in the token`)
    return signerOver(this.#asked, key, algorithm)
  }

  stop(): Promise<void> {
    return this.#asked.stop()
  }
}

function signerOver(asked: Asked, { id, spki, kind }: ExternalKey, algorithm?: SignatureAlgorithm) {
  const used = algorithm ?? ALGORITHMS_OF[kind][0]
  if (!ALGORITHMS_OF[kind].includes(used)) throw new Error(`${kind} and ${used.name}`)
  const signer: Signer = {
    key: importSpki(spki),
    algorithm: used,
    sign: async (data) =>
      (await asked.ask({
        do: 'sign',
        key: id,
        algorithm: used.name,
        data: inputFor(used, data),
      })) as Bytes,
  }
  if (kind !== 'rsa2048' && kind !== 'rsa3072') return signer
  const decrypt = async (data: Bytes) =>
    (await asked.ask({ do: 'decrypt', key: id, data })) as Bytes
  return { ...signer, decrypt }
}

type Note = (label: string, reason: string) => void

async function checkedKeys(asked: Asked, listed: readonly Listed[], note: Note) {
  const keys = new Map<string, ExternalKey>()
  // Tokens list them in any order, and of one that is there twice the same must always be taken.
  const sorted = listed.toSorted((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1))
  for (const { id, label, spki } of sorted) {
    if (!spki) {
      note(label, 'no public key or certificate with its ID, or not P-256, P-384, RSA 2048 or 3072')
      continue
    }
    const fingerprint = hash('sha256', spki, 'hex')
    const key = { id, label, kind: importSpki(spki).kind, fingerprint, spki }
    const flaw = await flawOf(signerOver(asked, key))
    if (flaw !== undefined) note(label, flaw)
    else if (keys.has(fingerprint)) note(label, 'the same key is there under another name')
    else keys.set(fingerprint, key)
  }
  return [...keys.values()]
}

/** To sort by: no label has a zero in it. */
function nameOf({ label, id }: Listed): string {
  return `${label}\0${id}`
}

/** A pair may be mismatched, and a key may be for other uses than signing. */
async function flawOf(signer: Signer): Promise<string | undefined> {
  const data = randomBytes(CHECKED_BYTES)
  try {
    const signature = await signer.sign(data)
    if (await verifySignature(signer.key, signer.algorithm, data, signature)) return undefined
    return 'what it signs is not verified by the public key with its ID'
  } catch (error) {
    if (error instanceof TokenError) return error.message
    throw error
  }
}
