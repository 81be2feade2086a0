/** What scripts rely on: fleets, and how their vouchers reach the owner. */
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CliWorld, errorDocument } from '../support/cli-world.ts'
import { MAIN, freePort } from '../support/programs.ts'

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

  it('goes to the rendezvous and the owner it is given, whatever the devices are told', async () => {
    const nowhere = await freePort()
    const port = Number(new URL(world.server.url).port)
    const local = { ip: '127.0.0.1', protocol: 'http' }
    // The owner still finds the rendezvous: only devices are led astray.
    const directives = [{ ...local, dev_port: nowhere, owner_port: port }]
    await world.server.put('/rendezvous-info', { directives })
    expect(await failures()).toEqual({ unreachable: 4 })
    expect(await world.told(...fleet(), '--rv', world.server.url)).toMatchObject(good)

    await world.server.put('/owner-addresses', { addresses: [{ ...local, port: nowhere }] })
    expect(await failures('--rv', world.server.url)).toEqual({ unreachable: 4 })
    const both = ['--rv', world.server.url, '--owner', world.server.url]
    expect(await world.told(...fleet(), ...both)).toMatchObject(good)
  })

  async function failures(...flags: string[]): Promise<unknown> {
    const { status, json } = await world.asked(...fleet(), ...flags)
    expect(status).toBe(1)
    return (json as { errors: unknown }).errors
  }
})
