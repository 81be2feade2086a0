/** Who goes through together, and who alone. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Gate } from '../../../../src/database/postgres/gate.ts'

const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

it('lets in many at once, and one alone with nobody beside it', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ isAlone: fc.boolean(), turns: fc.nat(4) })),
      async (all) => {
        const gate = new Gate()
        const entered: number[] = []
        let inside = 0
        let alone = 0
        await Promise.all(
          all.map(({ isAlone, turns }, i) =>
            gate.pass(isAlone, async () => {
              entered.push(i)
              inside++
              if (isAlone) alone++
              for (let n = 0; n <= turns; n++) {
                expect(alone === 0 || inside === 1).toBe(true)
                await turn()
              }
              if (isAlone) alone--
              inside--
            }),
          ),
        )
        expect(entered).toEqual(all.map((_, i) => i))
      },
    ),
    { numRuns: 30 },
  )
})

it('lets all of those in at once who need not be alone', async () => {
  const gate = new Gate()
  const inside = Array.from({ length: 5 }, (_, i) =>
    gate.pass(false, async () => {
      reached.add(i)
      while (reached.size < 5) await turn()
    }),
  )
  const reached = new Set<number>()
  await Promise.all(inside)
  expect(reached.size).toBe(5)
})

it('goes on where somebody fails, with what failed', async () => {
  const gate = new Gate()
  const failing = gate.pass(true, () => Promise.reject(new Error('so it did')))
  const next = gate.pass(false, async () => 'and on')
  await expect(failing).rejects.toThrow('so it did')
  expect(await next).toBe('and on')
})
