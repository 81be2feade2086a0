/**
 * Runs of real devices with our service, recorded: given the same keys, randomness, clock and
 * signatures, the service says the same bytes again.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { fromHex, toHex } from '../../protocol/bytes.ts'
import { replayingSource } from '../../scripts/record/randomness.ts'
import {
  type Recording,
  importVoucher,
  instrument,
  unpackFile,
} from '../../scripts/record/recording.ts'
import { type Clock, FakeClock } from '../../src/clock.ts'
import { loadConfig } from '../../src/config.ts'
import { HERE } from '../../src/http/source.ts'
import { silentLog } from '../../src/log.ts'
import { type RunningService, startService } from '../../src/main.ts'
import { until } from '../support/programs.ts'
import { PATIENCE_MS } from '../support/service.ts'
import { Unhurried } from '../support/unhurried.ts'
import { fixture } from '../support/wire.ts'

const FOLDER = new URL('../../fixtures/recordings/', import.meta.url)
/** How long the owner holds an answer back that has nothing in it, at most. */
const MOST_HOLD_MS = 2000

const names = readdirSync(FOLDER).filter((name) => name.endsWith('.json'))

describe.each(names)('%s', { timeout: PATIENCE_MS }, (name) => {
  const recording = fixture<Recording>(`recordings/${name}`)

  it('is answered with the bytes it was answered with', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'firstlight-replay-'))
    for (const [file, packed] of Object.entries(recording.data)) {
      unpackFile(packed, join(folder, file))
    }
    const source = replayingSource(recording)
    // On SQLite, whatever other tests are on: its keys are in a file that was recorded.
    const config = loadConfig({
      // What was asked for when the first of them were made.
      FIRSTLIGHT_TO0_SECONDS: '604800',
      ...recording.env,
      FIRSTLIGHT_DATA: folder,
      FIRSTLIGHT_PORT: '0',
    })
    const service = await startService(config, {
      ...source,
      clock: impatientClock(recording.now),
      log: silentLog,
      load: new Unhurried(),
    })
    try {
      instrument(service.exchange, source)
      for (const pem of recording.vouchers) await importVoucher(service.http ?? '', folder, pem)
      await replay(recording, service)
    } finally {
      await service.stop()
      rmSync(folder, { recursive: true })
    }
  })
})

/** Stands still, and holds no answer back. */
function impatientClock(now: string): Clock {
  const clock = new FakeClock(now)
  return {
    now: () => clock.now(),
    sleep: (ms, signal) => (ms <= MOST_HOLD_MS ? nextTurn() : clock.sleep(ms, signal)),
  }
}

async function replay({ messages }: Recording, service: RunningService): Promise<void> {
  let authorization: string | undefined
  for (const { number, request, reply } of messages) {
    // What the service does by itself in between, TO0, takes no time of the recorded clock.
    if (number === 30) await registered(service)
    const answer = await service.exchange.answer({
      number,
      bytes: fromHex(request),
      authorization,
      source: HERE,
    })
    authorization = answer.authorization
    const given = answer.message && {
      number: answer.message.number,
      body: toHex(answer.message.bytes),
    }
    expect(given, `the answer to ${number}`).toEqual(reply)
  }
}

async function registered({ services }: RunningService): Promise<void> {
  const { db } = services.database
  await until('it is registered', async () => {
    return (await db.selectFrom('registration').select('guid').execute()).length > 0
  })
}
