/** Work of one name, one after the other. */
import { describe, expect, it } from 'vitest'
import { InTurn } from '../../../../src/fdo/in-turn.ts'

function gate() {
  let open = () => {}
  const opened = new Promise<void>((resolve) => (open = resolve))
  return { open, opened }
}

describe('InTurn', () => {
  it('begins the second when the first has ended, and no sooner', async () => {
    const inTurn = new InTurn()
    const { open, opened } = gate()
    const order: string[] = []
    const first = inTurn.run('a', async () => {
      order.push('first begins')
      await opened
      order.push('first ends')
      return 1
    })
    const second = inTurn.run('a', async () => order.push('second'))
    open()
    expect(await first).toBe(1)
    await second
    expect(order).toEqual(['first begins', 'first ends', 'second'])
  })

  it('lets other names pass', async () => {
    const inTurn = new InTurn()
    const { open, opened } = gate()
    const waiting = inTurn.run('a', () => opened)
    expect(await inTurn.run('b', async () => 2)).toBe(2)
    open()
    await waiting
  })

  it('tells how much has not ended', async () => {
    const inTurn = new InTurn()
    const { open, opened } = gate()
    const all = [1, 2, 3].map(() => inTurn.run('a', () => opened))
    expect([inTurn.lengthOf('a'), inTurn.lengthOf('b')]).toEqual([3, 0])
    open()
    await Promise.all(all)
    expect(inTurn.lengthOf('a')).toBe(0)
  })

  it('goes on after one that failed, and tells only who waited for that one', async () => {
    const inTurn = new InTurn()
    const failed = inTurn.run('a', () => Promise.reject(new Error('no')))
    const next = inTurn.run('a', async () => 3)
    await expect(failed).rejects.toThrow('no')
    expect(await next).toBe(3)
  })
})
