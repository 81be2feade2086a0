/** GUIDs as people write them. */
import { CliFailure } from './failure.ts'

/** 32 hexadecimal digits; dashes are accepted. */
export function guidOf(text: string): string {
  const guid = text.replaceAll('-', '').toLowerCase()
  if (!/^[0-9a-f]{32}$/.test(guid)) {
    throw new CliFailure('usage', `not a GUID: ${text}`, {
      next: 'a GUID has 32 hexadecimal digits',
    })
  }
  return guid
}
