/** What scripts rely on: fleets, and how their vouchers reach the owner. */
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CliWorld, errorDocument } from '../support/cli-world.ts'
import { MAIN } from '../support/programs.ts'

let world: CliWorld
beforeAll(async () => {
  world = await CliWorld.start()
})
afterAll(() => world.end())

const GUID = /^[0-9a-f]{32}$/

describe('firstlight fleet', () => {
  const fleet = () => ['fleet', '--count', '4', '--concurrency', '2', '--di', world.server.url]
  const good = { count: 4, onboarded: 4, failed: 0, errors: {} }

  it('onboards without a hook', async () => {
    expect(await world.told(...fleet())).toMatchObject(good)
  })

  it('calls the hook once, with the new GUIDs, one a line', async () => {
    const hook = world.file('hook.sh')
    const seen = world.file('hook.guids')
    const script = `#!/bin/sh
while read guid; do
  echo "$guid" >> ${seen}
  until '${process.execPath}' ${MAIN} device get "$guid" --json | grep -q '"state":"registered"'
  do :; done
done
echo done >> ${seen}
`
    writeFileSync(hook, script)
    chmodSync(hook, 0o700)
    expect(await world.told(...fleet(), '--voucher-hook', hook)).toMatchObject(good)
    const lines = readFileSync(seen, 'utf8').trim().split('\n')
    expect(lines).toEqual([...Array<unknown>(4).fill(expect.stringMatching(GUID)), 'done'])
  })

  it('does not onboard where the hook fails', async () => {
    const { status, json } = await world.asked(
      ...fleet(),
      '--voucher-hook',
      'cat > /dev/null; exit 9',
    )
    expect({ status, json }).toEqual({ status: 1, json: errorDocument('voucher-hook') })
  })
})
