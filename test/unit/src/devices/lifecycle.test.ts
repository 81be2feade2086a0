import { describe, expect, it } from 'vitest'
import { DEVICE_STATES, MOVES } from '../../../../src/devices/lifecycle.ts'

describe('the moves of a device', () => {
  it('lead to every state there is', () => {
    const reached = new Set(Object.values(MOVES).map(({ to }) => to))
    expect([...reached].sort()).toEqual([...DEVICE_STATES].sort())
  })

  it('are these', () => {
    const table = Object.entries(MOVES).map(
      ([move, { to, from }]) =>
        `${move}: ${from.length === DEVICE_STATES.length ? 'any' : from.join(', ')} → ${to}`,
    )
    expect(table).toEqual([
      'manufactured: any → manufactured',
      'owned: any → owned',
      'registered: owned → registered',
      'registration-lapsed: registered → owned',
      'onboarding: owned, registered, onboarding, onboarded, failed → onboarding',
      'onboarded: onboarding, failed → onboarded',
      'failed: onboarding → failed',
      'handed-over: any → handed-over',
      'retired: manufactured, owned, registered, onboarding, onboarded, failed → retired',
      'restored: retired → owned',
      'back-in-stock: retired → manufactured',
    ])
  })
})
