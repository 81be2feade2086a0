import { decodeJwt } from 'jose'
import { afterEach, describe, expect, it } from 'vitest'
import { type Bytes, toHex } from '../../../../protocol/bytes.ts'
import type { FdoTransport } from '../../../../protocol/converse.ts'
import { fromPem } from '../../../../protocol/x509/pem.ts'
import { HOME_PARTY } from '../../../../src/database/tables.ts'
import type { StepDocument, TokenStep } from '../../../../src/onboarding/plans/document.ts'
import {
  type OnboardingWorld,
  type TestDevice,
  cutOff,
  openOnboardingWorld,
} from '../../../support/onboarding-world.ts'

let world: OnboardingWorld
let device: TestDevice
afterEach(() => world.close())

const PATH = 'etc/token.json'
const BOTH = 'device:whoami device:certificate'
const TESTER = { id: 'tok_1', party: HOME_PARTY }

async function open(step: Partial<TokenStep> = {}, after: readonly StepDocument[] = []) {
  world = await openOnboardingWorld()
  const token = { type: 'token', path: PATH, ...step } as const
  await world.putPlan('default', { steps: [{ type: 'identity' }, token, ...after] })
  await hold(BOTH.split(' '))
  device = await world.addDevice()
}
const hold = (scopes: readonly string[]) => world.devices.changeGroup(TESTER, 'default', scopes)

const answerOn = ({ host }: TestDevice) =>
  JSON.parse(host.text(PATH) ?? '{}') as Record<string, string>
const tokenOn = (of: TestDevice) => answerOn(of)['access_token'] ?? ''
const certificateOn = ({ host }: TestDevice) =>
  fromPem(host.text('identity/cert.pem') ?? '')?.[0] ?? new Uint8Array(0)
/** As they are in the database, in force or not. */
const issued = async () => {
  const rows = world.database.db.selectFrom('certificate').where('profile', '=', 'ldevid')
  return rows.select(['status', 'der']).execute()
}
const use = (token: string, certificate: Bytes | undefined) =>
  world.tokens.findCaller(token, certificate)
const historyOf = async () => world.devices.history((await world.device()).id)
const notes = async (type: string) =>
  (await historyOf()).filter((one) => one.type === type).map(({ detail }) => JSON.parse(detail!))

describe('a token step', () => {
  it('gives the device what it can use at once, with its certificate', async () => {
    await open()
    await world.onboard(device)
    expect(answerOn(device)).toMatchObject({ token_type: 'Bearer', expires_in: 300, scope: BOTH })
    expect(await use(tokenOn(device), certificateOn(device))).toMatchObject({
      deviceId: (await world.device()).id,
      guid: (await world.device()).guid,
      granted: BOTH.split(' '),
    })
    expect(await use(tokenOn(device), undefined)).toBeUndefined()
    expect(decodeJwt(tokenOn(device)).aud).toBe(world.tokens.audience)
  })

  it('is in the history and in the progress as others are', async () => {
    await open({ name: 'its first token', scopes: ['device:whoami'] })
    await world.onboard(device)
    const types = (await historyOf()).map(({ type }) => type)
    expect(types.slice(3)).toEqual([
      ...['certificate-issued', 'step-done', 'token-issued', 'step-done', 'onboarded'],
    ])
    expect(await notes('token-issued')).toEqual([
      { scopes: ['device:whoami'], module: 'fdo.download' },
    ])
    const { id } = await world.device()
    expect(world.notedOften.filter(([event]) => event === 'access-token-issued')).toEqual([
      [
        'access-token-issued',
        { event: 'access-token-issued', device: id, scopes: 'device:whoami' },
      ],
    ])
    const { json } = await world.api('GET', `/devices/${id}/progress`)
    expect(json.steps).toMatchObject([
      { name: '1 identity', state: 'done' },
      { name: 'its first token', state: 'done', module: 'fdo.download' },
    ])
  })

  it('carries what the group of the device holds now, of what the plan says', async () => {
    await open({ scopes: ['device:whoami', 'device:certificate'] })
    await hold(['device:certificate'])
    await world.onboard(device)
    const caller = await use(tokenOn(device), certificateOn(device))
    expect(caller?.granted).toEqual(['device:certificate'])
  })

  it('fails where that is nothing, and says so, unless it may', async () => {
    await open({ scopes: ['device:whoami'] })
    await hold(['device:certificate'])
    await expect(world.onboard(device)).rejects.toMatchObject({ peerError: { code: 500 } })
    const reason = 'no token: the group of the device does not let its tokens carry device:whoami'
    expect((await world.device()).last_error).toBe(`step "2 token" of the plan: ${reason}`)
    expect(await notes('step-failed')).toEqual([{ step: '2 token', reason }])
    expect(await notes('token-issued')).toEqual([])

    const token = { type: 'token', path: PATH, scopes: ['device:whoami'], required: false } as const
    await world.putPlan('default', { steps: [{ type: 'identity' }, token] })
    await world.onboard(device)
    expect(device.host.text(PATH)).toBeUndefined()
    expect(await notes('step-skipped')).toEqual([{ step: '2 token', reason }])
  })

  it('fails once this service is reached at another address than the plan names', async () => {
    const audience = 'https://x.test/device/v1'
    await open({ audience })
    world.tokens.moveTo('https://y.test')
    await expect(world.onboard(device)).rejects.toThrow()
    expect((await world.device()).last_error).toContain(
      `devices have tokens for https://y.test/device/v1 only, not for ${audience}`,
    )
    world.tokens.moveTo('https://x.test')
    await world.onboard(device)
    expect(decodeJwt(tokenOn(device)).aud).toBe(audience)
  })

  it('is left out, as the service step is, where no certificate can be shown', async () => {
    world = await openOnboardingWorld({ hasTls: false })
    const token = { type: 'token', path: PATH, required: true } as const
    await world.putPlan('default', { steps: [{ type: 'identity' }, token] })
    device = await world.addDevice()
    await world.onboard(device)
    expect(device.host.text(PATH)).toBeUndefined()
  })

  it('is passed over by a device that has no module for files', async () => {
    await open()
    await world.onboard(device, { modules: new Map() })
    expect(await notes('step-skipped')).toHaveLength(2)
    expect(await notes('token-issued')).toEqual([])
  })
})

describe('a token that is sent before Done', () => {
  it('is worth nothing until then', async () => {
    await open()
    let before: unknown = 'not looked at'
    await world.onboard(device, {
      async transport(message, authorization) {
        if (message.number === 70) {
          const [pending] = await issued()
          expect(pending?.status).toBe('pending')
          before = await use(tokenOn(device), pending?.der)
        }
        return world.transport(message, authorization)
      },
    })
    expect(before).toBeUndefined()
    expect(await use(tokenOn(device), certificateOn(device))).toBeDefined()
  })

  it('of a run that breaks off is worth nothing, now and later', async () => {
    await open()
    const transport = cutOff(world.transport, 70)
    await expect(world.onboard(device, { transport })).rejects.toThrow('cut off')
    const first = tokenOn(device)
    const [pending] = await issued()
    expect(await use(first, pending?.der)).toBeUndefined()

    await world.onboard(device)
    expect(tokenOn(device)).not.toBe(first)
    expect(await use(first, pending?.der)).toBeUndefined()
    expect(await use(first, certificateOn(device))).toBeUndefined()
    expect(await use(tokenOn(device), certificateOn(device))).toBeDefined()
  })

  it('is sent again, byte for byte, by another process', async () => {
    await open()
    let repeated = 0
    await world.onboard(device, {
      async transport(message, authorization) {
        const first = await world.transport(message, authorization)
        if (message.number !== 68) return first
        const again = await (await world.otherProcess())(message, authorization)
        repeated++
        expect(toHex(again.message.bytes)).toBe(toHex(first.message.bytes))
        return again
      },
    })
    expect(repeated).toBeGreaterThan(1)
    expect(await notes('token-issued')).toHaveLength(1)
    expect(await use(tokenOn(device), certificateOn(device))).toBeDefined()
  })

  it('is one, where two processes answer at once', async () => {
    await open()
    const other = await world.otherProcess()
    const both: FdoTransport = async (message, authorization) => {
      if (message.number !== 68) return world.transport(message, authorization)
      const answers = await Promise.all([
        world.transport(message, authorization),
        other(message, authorization),
      ])
      expect(toHex(answers[1].message.bytes)).toBe(toHex(answers[0].message.bytes))
      return answers[1]
    }
    await world.onboard(device, { transport: both })
    expect(await notes('token-issued')).toHaveLength(1)
    expect(await use(tokenOn(device), certificateOn(device))).toBeDefined()
  })

  it('is one, where the process dies before it has answered', async () => {
    await open()
    let deaths = 0
    const dying: FdoTransport = async (message, authorization) => {
      if (message.number === 68 && deaths < 4) {
        deaths++
        const { commit } = world.database
        // It has made what it would send, and nothing of it is written down.
        world.database.commit = () => Promise.reject(new RangeError('dead'))
        const died = await world.transport(message, authorization)
        world.database.commit = commit
        expect(died.message.number).toBe(255)
      }
      return (await world.otherProcess())(message, authorization)
    }
    await world.onboard(device, { transport: dying })
    expect(deaths).toBe(4)
    expect(await notes('token-issued')).toHaveLength(1)
    expect(await use(tokenOn(device), certificateOn(device))).toBeDefined()
  })

  it('is nowhere in the database that one could read, nor in the log', async () => {
    await open({}, [{ type: 'file', path: 'last', content: { text: 'x'.repeat(5000) } }])
    const dumps: string[] = []
    await world.onboard(device, {
      async transport(message, authorization) {
        const answer = await world.transport(message, authorization)
        dumps.push(await everything())
        return answer
      },
    })
    dumps.push(await everything(), JSON.stringify([world.noted, world.notedOften]))
    const [, payload, signature = ''] = tokenOn(device).split('.')
    expect(signature.length).toBeGreaterThan(80)
    expect(dumps.length).toBeGreaterThan(8)
    for (const dump of dumps) {
      expect(dump.includes(signature.slice(0, 40))).toBe(false)
      expect(dump.includes(payload!.slice(-40))).toBe(false)
    }
    // It is found where it is.
    expect((await everything()).includes((await world.device()).guid)).toBe(true)
  })
})

/** All rows of all tables; bytes as Latin letters, so that texts inside are found. */
async function everything(): Promise<string> {
  const { db } = world.database
  const all: unknown[] = []
  for (const { name } of await db.introspection.getTables()) {
    all.push(
      await db
        .selectFrom(name as 'device')
        .selectAll()
        .execute(),
    )
  }
  return JSON.stringify(all, (_, value: unknown) => {
    const isBuffer = typeof value === 'object' && value !== null && 'data' in value
    if (!isBuffer) return value
    return Buffer.from(value.data as number[]).toString('latin1')
  })
}
