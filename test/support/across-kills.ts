/** A device at two instances of one service, of which the one at work is killed after every message. */
import { expect } from 'vitest'
import type { FleetDevice } from '../../src/fleet/device.ts'
import type { Suite } from '../../src/simulator/keys.ts'
import { BEGINNINGS, type Fault, devicesAt, expectOneOnboarding } from './faulty-world.ts'
import type { ServeProcess } from './programs.ts'

/** It gets through, by answers that are the same from the other; gives the one asked last, and the other. */
export async function onboardAcrossKills(
  [first, second]: readonly [ServeProcess, ServeProcess],
  suite: Suite,
): Promise<{ device: FleetDevice; at: ServeProcess; next: ServeProcess }> {
  let [at, next] = [first, second]
  const devices = devicesAt({
    list: (path) => at.list(path),
    get url() {
      return at.url
    },
  })
  const killedEachTime: Fault = async (send, { number }) => {
    const lost = await send()
    const killed = at
    await killed.kill()
    ;[at, next] = [next, at]
    const answer = await send()
    if (!BEGINNINGS.includes(number)) expect(answer.message).toEqual(lost.message)
    await killed.start()
    return answer
  }
  const device = await devices.throughAll(suite, killedEachTime)
  await expectOneOnboarding(at, device.credential.guid)
  return { device, at, next }
}
