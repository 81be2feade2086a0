/**
 * To whom the devices of an order are sold: `self`, `none`, a party of this installation, or keys
 * in PEM; one for all, or the first rule of a list that fits the model.
 */
import { FdoError } from '../../../protocol/errors.ts'
import { Problem } from '../../http/problem.ts'
import { type FindFirstOwner, firstOwnerFromPem, firstOwnerHere } from '../first-owner.ts'
import type { SigningKeys } from '../keys.ts'

export interface FirstOwnerRule {
  /** Undefined for any. */
  readonly model?: string | undefined
  readonly to: string
}

const PARTY = /^fdop_\w{1,64}$/

export interface FirstOwnerServices {
  keysOf(party: string): SigningKeys
  /** Whether there is such a party here that may be sold to. */
  isParty(party: string): Promise<boolean>
}

/** Throws invalid-request for rules that cannot be followed. */
export async function checkRules(
  rules: readonly FirstOwnerRule[],
  { isParty }: FirstOwnerServices,
): Promise<void> {
  const models = new Set<string | undefined>()
  for (const { model, to } of rules) {
    if (models.has(model)) throw invalid(`two rules for ${model ?? 'any model'}`)
    // What follows a rule for any would never be reached.
    if (models.has(undefined)) throw invalid('the rule for any model has to be the last')
    models.add(model)
    if (to === 'self' || to === 'none') continue
    if (PARTY.test(to)) {
      if (!(await isParty(to))) throw invalid(`there is no party ${to}`)
    } else checkPem(to)
  }
}

function checkPem(to: string): void {
  try {
    firstOwnerFromPem(to)
  } catch (cause) {
    if (!(cause instanceof Error)) throw cause
    const hint = to.includes('-----BEGIN') ? cause.message : 'self, none, a party’s id or PEM'
    throw new Problem('invalid-request', `first_owner: ${hint}`, { cause })
  }
}

/** Throws INVALID_MESSAGE_ERROR for a model that no rule is for. */
export function firstOwnerBy(
  rules: readonly FirstOwnerRule[],
  { party, model }: { readonly party: string; readonly model: string },
  { keysOf }: FirstOwnerServices,
): FindFirstOwner | undefined {
  const rule = rules.find((one) => one.model === undefined || one.model === model)
  if (!rule) {
    throw new FdoError('INVALID_MESSAGE_ERROR', `DI: no rule says who is to own a ${model}`)
  }
  const { to } = rule
  if (to === 'none') return undefined
  const seller = to === 'self' || to === party
  if (seller) return firstOwnerHere(keysOf(party))
  return PARTY.test(to) ? firstOwnerHere(keysOf(to)) : firstOwnerFromPem(to)
}

/** The party of this installation that a rule sells to; undefined for none, and for keys. */
export function sellerOf({ to }: FirstOwnerRule, party: string): string | undefined {
  if (to === 'self') return party
  return PARTY.test(to) ? to : undefined
}

function invalid(detail: string): Problem {
  return new Problem('invalid-request', `first_owner: ${detail}`)
}
