/** What a module is given to send as files: of the plan, or made for this device in this run. */
import type { OwnerEffect, OwnerStartContext } from '../service-info/module.ts'
import { type ContentFile, type OutgoingFile, outgoingContent } from './content.ts'
import { type IdentityNames, identityFiles } from './identity.ts'
import { type TokenFile, tokenFiles } from './token.ts'

export interface FileTask {
  readonly files: readonly ContentFile[]
  readonly identity: IdentityNames | null
  readonly token: TokenFile | null
}

export interface MadeFiles {
  readonly files: readonly OutgoingFile[]
  readonly effects: readonly OwnerEffect[]
  /** Why there is nothing to send. */
  readonly failure: string | null
}

const NOTHING: MadeFiles = { files: [], effects: [], failure: null }

/** Makes what has to be made, in the order in which it is sent. */
export async function makeFiles(
  { files, identity, token }: FileTask,
  module: string,
  context: OwnerStartContext,
): Promise<MadeFiles> {
  const keys = identity ? await identityFiles(identity, module, context) : NOTHING
  const issued = token ? await tokenFiles(token, module, context) : NOTHING
  return {
    files: [...keys.files, ...issued.files, ...files.map(outgoingContent)],
    effects: [...keys.effects, ...issued.effects],
    failure: issued.failure,
  }
}
