/** The token endpoint while the database is away. */
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { DatabaseUnavailable } from '../../src/database/unavailable.ts'
import { keyOf } from '../support/callers.ts'
import { type ClientsWorld, openClientsWorld } from '../support/clients-world.ts'
import { PATIENCE_MS } from '../support/service.ts'

let world: ClientsWorld
beforeAll(async () => {
  world = await openClientsWorld()
  await world.become(keyOf(world.key))
}, PATIENCE_MS)
afterAll(() => world.remove())

it.each(['findActive', 'useAssertion'] as const)(
  'is told to ask again, and not that the server is at fault: %s',
  async (asked) => {
    const { machines } = world.service.services
    const away = new DatabaseUnavailable({ cause: new Error('ECONNREFUSED') })
    const spy = vi.spyOn(machines, asked).mockRejectedValue(away)
    const answer = await world.ask()
    expect(answer).toMatchObject({ status: 503, body: { error: 'temporarily_unavailable' } })
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0)
    spy.mockRestore()
    expect(await world.ask()).toMatchObject({ status: 200 })
  },
)
