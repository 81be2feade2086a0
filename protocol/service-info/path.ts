/** File names from the other side: hostile until they are shown to stay where they belong. */

const MAX_NAME_LENGTH = 255
/** Control characters, and what some system takes for a separator, a drive or a stream. */
const FORBIDDEN = /[\p{Cc}\\:*?"<>|]/u

/**
 * Whether a name stays inside the folder it is resolved in, on any system: relative, forward
 * slashes only, no `.` or `..`, nothing hidden in it that a terminal or a shell would act on.
 */
export function isInnerPath(name: string): boolean {
  if (name.length === 0 || name.length > MAX_NAME_LENGTH || FORBIDDEN.test(name)) return false
  return name.split('/').every((part) => part !== '' && !/^\.{1,2}$|^[\s-]|[\s.]$/u.test(part))
}
