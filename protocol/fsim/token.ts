/** An access token as a file, bound to the certificate that the device was given before it. */
import { type Infer, listOf, nullable, text, tuple } from '../cbor/schema.ts'
import type { OwnerStartContext } from '../service-info/module.ts'
import { TokenRefusal } from '../service-info/token-issuer.ts'
import { outgoingBytes } from './content.ts'
import type { MadeFiles } from './file-task.ts'

/** Under which name it goes to the device, and what it is to be good for: see WantedToken. */
export const TokenFile = tuple({
  name: text,
  audience: nullable(text),
  scopes: nullable(listOf(text)),
})
export type TokenFile = Infer<typeof TokenFile>

/** Issues it. Like a key it is in the sealed session until it is delivered, and nowhere else. */
export async function tokenFiles(
  { name, ...wanted }: TokenFile,
  module: string,
  { certificate, tokens }: OwnerStartContext,
): Promise<MadeFiles> {
  if (!certificate) return refused('the device was given no certificate in this run')
  try {
    const { document, scopes } = await tokens.issue(certificate, wanted)
    const effects = [{ type: 'token-issued', scopes, module } as const]
    return { files: [outgoingBytes(name, document)], effects, failure: null }
  } catch (error) {
    if (!(error instanceof TokenRefusal)) throw error
    return refused(error.message)
  }
}

function refused(why: string): MadeFiles {
  return { files: [], effects: [], failure: `no token: ${why}` }
}
