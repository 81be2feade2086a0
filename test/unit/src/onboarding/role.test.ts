import { HOME_PARTY } from '../../../../src/database/tables.ts'
import { afterEach, describe, expect, it } from 'vitest'
import { toHex } from '../../../../protocol/bytes.ts'
import { PeerRefusal, errorMessage } from '../../../../protocol/error-message.ts'
import type { FdoTransport } from '../../../../protocol/converse.ts'
import { FdoError } from '../../../../protocol/errors.ts'
import { parseVoucher } from '../../../../protocol/voucher/voucher.ts'
import {
  NEW_RENDEZVOUS,
  type OnboardingWorld,
  cutOff,
  guidOf,
  openOnboardingWorld,
  runTo2,
} from '../../../support/onboarding-world.ts'
import { guid, guidText } from '../../../support/voucher-world.ts'

let world: OnboardingWorld
afterEach(() => world.close())
const open = async (options?: Parameters<typeof openOnboardingWorld>[0]) =>
  (world = await openOnboardingWorld(options))

const certificates = () =>
  world.database.db
    .selectFrom('certificate')
    .select(['status', 'device_id', 'run_id'])
    .where('profile', '=', 'ldevid')
    .execute()
const states = async () =>
  (await world.desk.list({ party: HOME_PARTY, limit: 100 }))
    .map(({ state, origin }) => `${state} ${origin}`)
    .sort()
const TESTER = { id: 'tok_1', party: HOME_PARTY }
const takenAway = (id: string, isRetired: boolean) =>
  isRetired
    ? world.desk.retire({ id, party: HOME_PARTY, guid: guidText(0xa1) }, TESTER)
    : world.desk.delete(guidText(0xa1), TESTER)
const historyOf = async () =>
  (await world.devices.history((await world.device()).id)).map(({ type }) => type)

describe('onboarding a device', () => {
  it('gives it a new name, a new voucher, and a certificate that counts', async () => {
    await open()
    const device = await world.addDevice()
    const effect = await world.onboard(device)
    expect(effect.type).toBe('onboarded')

    const now = guidOf(device.credential)
    expect(now).not.toBe(guidText(0xa1))
    const row = await world.device()
    expect(row).toMatchObject({ guid: now, state: 'onboarded', last_error: null })
    expect(row.onboarded_at).toBe(world.clock.now().toISOString())
    expect(await states()).toEqual(['held onboarded', 'replaced imported'])
    const left = parseVoucher((await world.desk.find(HOME_PARTY, now)).cbor)
    expect(left.entries).toEqual([])
    expect(toHex(left.header.value.rvInfo.bytes)).toBe(toHex(NEW_RENDEZVOUS.bytes))
    expect(await certificates()).toEqual([
      { status: 'active', device_id: row.id, run_id: expect.stringMatching(/^[0-9a-f]{32}$/) },
    ])
  })

  it('leaves it the rendezvous it came with, where there is no other to send it to', async () => {
    await open({ keepsRendezvous: true })
    const device = await world.addDevice()
    const before = device.voucher.header.value.rvInfo
    expect((await world.onboard(device)).type).toBe('onboarded')
    expect(toHex(device.credential.rvInfo.bytes)).toBe(toHex(before.bytes))
    const left = parseVoucher((await world.desk.find(HOME_PARTY, guidOf(device.credential))).cbor)
    expect(toHex(left.header.value.rvInfo.bytes)).toBe(toHex(before.bytes))
  })

  it('tells the device where to use its certificate', async () => {
    await open()
    const device = await world.addDevice()
    await world.onboard(device)
    expect([...device.host.stored.keys()].sort()).toEqual([
      'identity/ca.pem',
      'identity/cert.pem',
      'identity/key.pem',
      'identity/service.json',
    ])
    expect(JSON.parse(device.host.text('identity/service.json') ?? '')).toEqual({
      token_url: 'https://x.test/oauth/token',
      api_url: 'https://x.test',
      ca: 'ca.pem',
    })
  })

  it('writes down how it went', async () => {
    await open()
    await world.onboard(await world.addDevice())
    expect(await historyOf()).toEqual([
      'owned',
      'onboarding',
      'devmod',
      'certificate-issued',
      'step-done',
      'step-done',
      'onboarded',
    ])
    expect(world.noted.map(([event]) => event)).toEqual(['certificate-issued', 'device-onboarded'])
  })

  it('onboards one without a module of ours, which then has no certificate', async () => {
    await open()
    const effect = await world.onboard(await world.addDevice(), { modules: new Map() })
    expect(effect.type).toBe('onboarded')
    expect(await certificates()).toEqual([])
    expect((await historyOf()).filter((type) => type === 'step-skipped')).toHaveLength(2)
  })

  it.each([
    ['p384-x5chain-devP384', 'ECDH384'],
    ['p256-cosekey-devP256', 'ECDH384'],
    ['rsa2048restr-x509-devP256', 'DHKEXid14'],
    ['rsa2048restr-x509-devP256', 'ASYMKEX2048'],
    ['rsapkcs3072-x509-devP384', 'DHKEXid15'],
    ['rsapss3072-x509-devP384', 'ASYMKEX3072'],
  ])('of %s by %s, with tokens that small devices can hold', async (configuration, kex) => {
    await open({ configuration })
    const lengths: number[] = []
    const transport: FdoTransport = async (message, authorization) => {
      const answer = await world.transport(message, authorization)
      lengths.push(answer.authorization?.length ?? 0)
      return answer
    }
    await world.onboard(await world.addDevice(), { kex, transport, cipher: 33 })
    expect(Math.max(...lengths)).toBeLessThanOrEqual(512)
    expect((await world.device()).state).toBe('onboarded')
  })

  it('lets any process answer any message', async () => {
    await open()
    const transport: FdoTransport = async (message, authorization) =>
      (await world.otherProcess())(message, authorization)
    for (const cipher of [1, 3, 32, 33]) {
      await world.onboard(await world.addDevice(0xb0 + cipher), { transport, cipher })
    }
    expect((await world.device()).state).toBe('onboarded')
  })

  it('refuses a suite that is switched off, and a device it does not know', async () => {
    await open()
    const device = await world.addDevice()
    await expect(world.onboard(device, { cipher: -17760703 })).rejects.toMatchObject({
      peerError: { code: 101 },
    })
    const stranger = { ...device, credential: { ...device.credential, guid: guid(9) } }
    await expect(world.onboard(stranger)).rejects.toMatchObject({ peerError: { code: 6 } })
    expect((await world.device()).state).toBe('owned')
  })
})

describe('a run that is broken off', () => {
  it('leaves nothing that counts, and the device may begin again', async () => {
    await open()
    const device = await world.addDevice()
    await expect(
      world.onboard(device, { transport: cutOff(world.transport, 70) }),
    ).rejects.toThrow()
    expect(await certificates()).toMatchObject([{ status: 'pending' }])
    expect(await states()).toEqual(['held imported'])
    expect((await world.device()).state).toBe('onboarding')

    await world.onboard(device)
    expect((await certificates()).map(({ status }) => status).sort()).toEqual([
      'active',
      'superseded',
    ])
    expect((await world.device()).state).toBe('onboarded')
  })

  it('says why, where the device has', async () => {
    await open()
    const device = await world.addDevice()
    const transport: FdoTransport = async (message, authorization) => {
      if (message.number !== 68) return world.transport(message, authorization)
      const error = new FdoError('INTERNAL_SERVER_ERROR', 'no room')
      await world.transport(errorMessage(error, 69, new Date(0)), authorization)
      throw new Error('gave up')
    }
    await expect(world.onboard(device, { transport })).rejects.toThrow('gave up')
    const failed = await world.device()
    expect(failed.state).toBe('failed')
    expect(failed.last_error).toMatch(/the peer refused message 69/)
    expect(world.noted.at(-1)?.[0]).toBe('onboarding-failed')
    await world.onboard(device)
    expect(await world.device()).toMatchObject({ state: 'onboarded', last_error: null })
  })

  it.each([
    ['sold or retired before it has one', 68, []],
    ['removed before it is done', 70, [{ status: 'superseded' }]],
  ] as const)('leaves no certificate outside of the list: %s', async (_, number, left) => {
    await open()
    const device = await world.addDevice()
    const { id } = await world.device()
    const transport: FdoTransport = async (message, authorization) => {
      if (message.number === number) await takenAway(id, number === 68)
      return world.transport(message, authorization)
    }
    await expect(world.onboard(device, { transport })).rejects.toBeInstanceOf(PeerRefusal)
    expect(await certificates()).toMatchObject(left)
  })

  it('says which step of the plan it was', async () => {
    await open()
    await world.putPlan('default', {
      steps: [{ type: 'wget', url: 'http://nowhere.test/file', name: 'fetch it', required: true }],
    })
    const device = await world.addDevice()
    await expect(world.onboard(device)).rejects.toBeInstanceOf(PeerRefusal)
    expect((await world.device()).last_error).toMatch(/step "fetch it" of the plan/)
  })
})

describe('a content that is discarded while a device is sent it', () => {
  it('is what the device is said to have failed for', async () => {
    await open()
    const { json } = await world.api('POST', '/plan-contents', new Uint8Array(300 << 10))
    await world.putPlan('default', {
      steps: [{ type: 'file', path: 'firmware', content: { ref: json.ref } }],
    })
    let rounds = 0
    const transport: FdoTransport = async (message, authorization) => {
      if (message.number === 68 && ++rounds === 4) {
        await world.removePlan('default')
        expect(await world.api('DELETE', `/plan-contents/${json.ref}`)).toMatchObject({
          status: 204,
        })
      }
      return world.transport(message, authorization)
    }
    const device = await world.addDevice()
    await expect(world.onboard(device, { transport })).rejects.toBeInstanceOf(PeerRefusal)
    expect((await world.device()).last_error).toBe(
      `the content ${json.ref} is gone: bring it again, or send another`,
    )
  })
})

describe('a device whose last answer was lost', () => {
  it('comes back under its old name, and what the first run left is gone', async () => {
    await open()
    const device = await world.addDevice()
    const lossy = cutOff(world.transport, 70, 'answer')
    await expect(world.onboard(device, { transport: lossy })).rejects.toThrow('cut off')
    expect((await world.device()).state).toBe('onboarded')
    const first = (await world.device()).guid

    await world.onboard(device)
    const second = guidOf(device.credential)
    expect(second).not.toBe(first)
    expect((await world.device()).guid).toBe(second)
    expect(await states()).toEqual(['held onboarded', 'replaced imported'])
    expect((await certificates()).map(({ status }) => status).sort()).toEqual([
      'active',
      'superseded',
    ])
  })

  it.each([1, 3, 32, 33])(
    'gets the same bytes again of another process, suite %i',
    async (cipher) => {
      await open()
      const device = await world.addDevice()
      let repeated = 0
      const twice: FdoTransport = async (message, authorization) => {
        const first = await world.transport(message, authorization)
        if (message.number === 60) return first
        const again = await (await world.otherProcess())(message, authorization)
        repeated++
        expect(toHex(again.message.bytes)).toBe(toHex(first.message.bytes))
        return first
      }
      await world.onboard(device, { transport: twice, cipher })
      expect(repeated).toBeGreaterThan(4)
      expect(await states()).toEqual(['held onboarded', 'replaced imported'])
    },
  )
})

describe('two runs of one device at once', () => {
  it('the first to end wins, and the other changes nothing', async () => {
    await open()
    const device = await world.addDevice()
    const twin = { ...device }
    let arrived = (): void => {}
    const atTheEnd = new Promise<void>((resolve) => (arrived = resolve))
    let goOn = (): void => {}
    const wait = new Promise<void>((resolve) => (goOn = resolve))
    const slow: FdoTransport = async (message, authorization) => {
      if (message.number === 70) {
        arrived()
        await wait
      }
      return world.transport(message, authorization)
    }
    const losing = runTo2(twin, { transport: slow })
    await atTheEnd
    await world.onboard(device)
    goOn()
    await expect(losing).rejects.toMatchObject({ peerError: { code: 101 } })
    expect(await world.device()).toMatchObject({
      state: 'onboarded',
      guid: guidOf(device.credential),
    })
    expect(await states()).toEqual(['held onboarded', 'replaced imported'])
    const active = (await certificates()).filter(({ status }) => status === 'active')
    expect(active).toHaveLength(1)
  })
})

describe('credential reuse', () => {
  it('leaves voucher and device as they are, any number of times', async () => {
    await open()
    await world.putPlan('again', {
      credential: 'reuse',
      applies_to: { groups: ['default'] },
      steps: [],
    })
    const device = await world.addDevice()
    for (let i = 0; i < 3; i++) {
      expect(await world.onboard(device)).toEqual({ type: 'credential-reused' })
      expect(await states()).toEqual(['held imported'])
      expect(await world.device()).toMatchObject({ guid: guidText(0xa1), state: 'onboarded' })
    }
  })
})
