/** What a claim says, wherever in a token it stands: `groups`, `realm_access.roles`. */

const MOST_VALUES = 1_000

/**
 * The text, or the texts in the list, that `path` leads to. A claim whose whole name is `path` comes
 * first: names may be URLs. A text counts as a whole, for it may hold spaces.
 */
export function valuesOfClaim(
  claims: Readonly<Record<string, unknown>>,
  path: string,
): readonly string[] {
  const value = Object.hasOwn(claims, path) ? claims[path] : valueAt(claims, path.split('.'))
  const values: readonly unknown[] = Array.isArray(value) ? value : [value]
  return values.slice(0, MOST_VALUES).filter((one) => typeof one === 'string')
}

function valueAt(value: unknown, names: readonly string[]): unknown {
  const [name, ...rest] = names
  if (name === undefined) return value
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined
  return valueAt((value as Record<string, unknown>)[name], rest)
}
