/** A service of which every operation that changes something is tried, one after the other. */
import { generateKeyPairSync } from 'node:crypto'
import type { EntryType } from '../../../src/audit/types.ts'
import type { TestService } from '../service.ts'

export type Json = Record<string, string>

export interface Answer {
  readonly status: number
  readonly json: unknown
}

export interface Change {
  readonly operation: string
  /** The entries it leaves behind, oldest first. */
  readonly told: readonly EntryType[]
  /** What has to be there. */
  readonly given?: () => Promise<unknown>
  readonly perform: () => Promise<Answer>
}

export class ChangingWorld {
  /** Once it is up. */
  service!: TestService
  /** By what they are called in the tables. */
  readonly known: Json = {}
  readonly secrets: string[] = []

  readonly api = (method: string, path: string, json?: unknown): Promise<Answer> =>
    this.service.api(method, `/api/v1${path}`, json === undefined ? {} : { json })

  /** For what comes before the change; throws where it was refused. */
  readonly must = async (method: string, path: string, json?: unknown): Promise<Json> => {
    const answer = await this.api(method, path, json)
    if (answer.status < 300) return answer.json as Json
    throw new Error(`${method} ${path}: ${JSON.stringify(answer.json)}`)
  }

  readonly upload = (path: string, type: string, body: Uint8Array | string): Promise<Answer> =>
    this.service.api('POST', `/api/v1${path}`, { body, headers: { 'content-type': type } })

  /** Keeps what the answer names, and what it shows this once. */
  readonly keep = async (names: Json, answer: Promise<Answer>): Promise<Answer> => {
    const given = await answer
    const json = given.json as Json
    for (const [name, member] of Object.entries(names)) this.known[name] = json[member] ?? ''
    for (const member of ['token', 'secret', 'client_secret', 'code']) {
      if (json[member]) this.secrets.push(json[member].slice(-43))
    }
    return given
  }
}

export const partnerKey = generateKeyPairSync('ec', { namedCurve: 'P-256' })

export const pemOf = ({ publicKey }: typeof partnerKey) =>
  publicKey.export({ type: 'spki', format: 'pem' }).toString()
