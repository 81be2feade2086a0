/** People who call with tokens of a party's own OpenID providers: how they are named. */

const OPERATOR = /^oidc:[^:]*:(.*)$/s

/** Not by the issuer: two parties may have the same, or claim to. */
export function operatorId(provider: string, subject: string): string {
  return `oidc:${provider}:${subject}`
}

/**
 * Whether two callers of one party may be the same: a person whose provider was added twice, for two
 * audiences, comes by either. Whoever is known as the same in two providers is taken for one as well.
 */
export function mayBeSame(one: string, other: string): boolean {
  const [subject, otherSubject] = [one, other].map((id) => OPERATOR.exec(id)?.[1])
  return one === other || (subject !== undefined && subject === otherSubject)
}
