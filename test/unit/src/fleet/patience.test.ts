/** Devices that are put off come again, and not for ever. */
import { describe, expect, it } from 'vitest'
import { ServiceBusy, TransportError } from '../../../../src/fdo/client.ts'
import { patiently } from '../../../../src/fleet/patience.ts'

function waiting(random: number) {
  const pauses: number[] = []
  const pause = async (ms: number) => void pauses.push(ms)
  return { pauses, options: { random: () => random, pause } }
}

describe('a device that is put off', () => {
  it('comes again about when it was told to', async () => {
    const { pauses, options } = waiting(0.25)
    let tries = 0
    const work = async () => {
      if (++tries < 3) throw new ServiceBusy('busy', 4000)
      return 'in'
    }
    expect(await patiently(work, options)).toBe('in')
    expect(pauses).toEqual([3000, 3000])
  })

  it('gives up after a quarter of an hour', async () => {
    const { pauses, options } = waiting(0.5)
    const busy = () => Promise.reject(new ServiceBusy('busy', 60_000))
    await expect(patiently(busy, options)).rejects.toThrow('busy')
    expect(pauses).toHaveLength(16)
  })

  it('never asks without a pause, whatever it was told', async () => {
    const { pauses, options } = waiting(0)
    let tries = 0
    await patiently(async () => {
      if (++tries < 2) throw new ServiceBusy('busy', 0)
    }, options)
    expect(pauses).toEqual([1])
  })

  it('does not take another failure for that', async () => {
    const { pauses, options } = waiting(0)
    const broken = () => Promise.reject(new TransportError('no route'))
    await expect(patiently(broken, options)).rejects.toThrow('no route')
    expect(pauses).toEqual([])
  })
})
