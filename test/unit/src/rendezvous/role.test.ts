/** The rendezvous with its database: who may register, what devices are told, what is forgotten. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Bytes, toHex } from '../../../../protocol/bytes.ts'
import { encode } from '../../../../protocol/cbor/cbor.ts'
import { signSign1 } from '../../../../protocol/cose/sign1.ts'
import type { Signer } from '../../../../protocol/crypto/signer.ts'
import { type Message, bodyOf } from '../../../../protocol/message.ts'
import { AcceptOwner, HelloAck, OwnerSign } from '../../../../protocol/to0/messages.ts'
import { HelloRVAck } from '../../../../protocol/to1/messages.ts'
import { buildEat } from '../../../../protocol/types/eat.ts'
import type { Voucher } from '../../../../protocol/voucher/voucher.ts'
import { AuditLog } from '../../../../src/audit/log.ts'
import { FakeClock } from '../../../../src/clock.ts'
import { type Database, openDatabase } from '../../../support/database.ts'
import { createEvents } from '../../../../src/events.ts'
import { HERE } from '../../../../src/http/source.ts'
import { silentLog } from '../../../../src/log.ts'
import type { HeldState, MountedRole } from '../../../../src/fdo/mounted-role.ts'
import { granted } from '../../../../src/rendezvous/admission.ts'
import { type Rendezvous, openRendezvous } from '../../../../src/rendezvous/assembly.ts'
import { retireLapsed } from '../../../../src/rendezvous/role.ts'
import { ownerSignOf, worldOf } from '../../../support/registering.ts'
import { makeVoucher, sell } from '../../../support/vouchers.ts'

const { parts, voucher, owner, device } = await worldOf()
const [, , secondOwner] = parts.signers
const soldTwice = await sell(parts, voucher, 2)
const { guid } = parts.header

let database: Database
let clock: FakeClock
let anchors: readonly Bytes[] | undefined
let rendezvous: Rendezvous
let to0: MountedRole
let to1: MountedRole
let told: string[]

beforeEach(async () => {
  database = await openDatabase(':memory:')
  clock = new FakeClock('2026-01-02T03:04:05Z')
  anchors = undefined
  const randomBytes = (length: number) => crypto.getRandomValues(new Uint8Array(length))
  told = []
  const events = createEvents({
    ...silentLog,
    info: (_: object, event: string) => told.push(event),
  } as unknown as typeof silentLog)
  rendezvous = openRendezvous({
    ...{ database, clock, randomBytes, events, audit: new AuditLog({ clock }) },
    deviceAnchors: () => anchors,
    urls: () => [],
  })
  ;[to0, to1] = rendezvous.roles as [MountedRole, MountedRole]
})
afterEach(() => database.close())

async function ask(role: MountedRole, state: HeldState, message: Message, source = HERE) {
  const answer = await role.answer(state, message, source)
  if (!answer.hasEffects) return answer
  await database
    .commit((tx) => answer.write(tx))
    .catch(async (error: unknown) => {
      await answer.refused(error)
      throw error
    })
  return answer
}

interface Wish {
  readonly voucher?: Voucher
  readonly signer?: Signer
  readonly waitSeconds?: number
}

/** Hello, and the OwnerSign to send after it. */
async function prepare(wish: Wish = {}) {
  const hello = await ask(to0, to0.initialState, { number: 20, bytes: encode([]) })
  const nonce = bodyOf(HelloAck, hello.reply.bytes).nonceTO0Sign
  const message = await ownerSignOf({ voucher, signer: owner, ...wish, nonce })
  const to1d = bodyOf(OwnerSign, message.bytes).to1d.bytes
  return { send: () => ask(to0, hello.next!, message), to1d }
}

async function register(wish: Wish = {}): Promise<Bytes> {
  const { send, to1d } = await prepare(wish)
  await send()
  return to1d
}

/** What the device is told, through all of TO1. */
async function redirection(): Promise<Bytes> {
  const hello = { number: 30, bytes: encode([guid, [-7, new Uint8Array()]]) }
  const ack = await ask(to1, to1.initialState, hello)
  const { nonceTO1Proof: nonce } = bodyOf(HelloRVAck, ack.reply.bytes)
  const token = await signSign1(device, buildEat({ nonce, guid }))
  const { reply } = await ask(to1, ack.next!, { number: 32, bytes: token })
  return reply.bytes
}

const rows = () => database.db.selectFrom('registration').selectAll().execute()

describe('the rendezvous', () => {
  it('tells a device what its owner left, byte for byte', async () => {
    const to1d = await register()
    expect(Buffer.from(await redirection())).toEqual(Buffer.from(to1d))
  })

  it('knows nothing of a device that nobody registered', async () => {
    await expect(redirection()).rejects.toMatchObject({ code: 'RESOURCE_NOT_FOUND' })
  })

  it('forgets a registration when its time is over', async () => {
    await register({ waitSeconds: 60 })
    clock.advance(59_000)
    await redirection()
    clock.advance(1_000)
    await expect(redirection()).rejects.toMatchObject({ code: 'RESOURCE_NOT_FOUND' })
  })

  it('lets its owner register again, and lets a device follow', async () => {
    await register({ waitSeconds: 60 })
    clock.advance(50_000)
    const to1d = await register({ waitSeconds: 60 })
    clock.advance(50_000)
    expect(Buffer.from(await redirection())).toEqual(Buffer.from(to1d))
  })

  it('changes nothing for a repeat, and answers it alike', async () => {
    const { send } = await prepare({ waitSeconds: 60 })
    const first = await send()
    const before = await rows()
    clock.advance(5_000)
    const second = await send()
    expect(second.reply).toEqual(first.reply)
    expect(await rows()).toEqual(before)
  })

  it('refuses an older registration sent once more', async () => {
    const old = await prepare()
    await old.send()
    const to1d = await register({ waitSeconds: 60 })
    const before = await rows()
    await expect(old.send()).rejects.toMatchObject({ code: 'INVALID_MESSAGE_ERROR' })
    expect(await rows()).toEqual(before)
    expect(Buffer.from(await redirection())).toEqual(Buffer.from(to1d))
    clock.advance(60_000)
    await expect(old.send()).rejects.toMatchObject({ code: 'INVALID_MESSAGE_ERROR' })
  })

  it('follows a device that was sold on, and lets no former owner in again', async () => {
    await register()
    const to1d = await register({ voucher: soldTwice, signer: secondOwner! })
    await expect(register()).rejects.toMatchObject({ code: 'INVALID_OWNERSHIP_VOUCHER' })
    expect(Buffer.from(await redirection())).toEqual(Buffer.from(to1d))
  })

  it('refuses the other buyer of a device sold twice', async () => {
    await register({ voucher: soldTwice, signer: secondOwner! })
    const fork = await sell(parts, await makeVoucher(parts), 2)
    const forked = register({ voucher: await sell(parts, fork, 3), signer: parts.signers[3]! })
    await expect(forked).rejects.toMatchObject({ code: 'INVALID_OWNERSHIP_VOUCHER' })
  })

  it.each(['lapsed', 'was swept', 'was withdrawn'])(
    'lets no former owner in after the registration of the buyer %s',
    async (what) => {
      await register({ voucher: soldTwice, signer: secondOwner!, waitSeconds: 60 })
      if (what !== 'was withdrawn') clock.advance(60_000)
      if (what === 'was swept') await rendezvous.sweep()
      if (what === 'was withdrawn') await rendezvous.registrations.withdraw(toHex(guid), 'tok_1')
      const fork = await sell(parts, await makeVoucher(parts), 2)
      const forked = { voucher: await sell(parts, fork, 3), signer: parts.signers[3]! }
      await expect(register()).rejects.toMatchObject({ code: 'INVALID_OWNERSHIP_VOUCHER' })
      await expect(register(forked)).rejects.toThrow('not sold on')
      await expect(redirection()).rejects.toMatchObject({ code: 'RESOURCE_NOT_FOUND' })
      const to1d = await register({ voucher: soldTwice, signer: secondOwner! })
      expect(Buffer.from(await redirection())).toEqual(Buffer.from(to1d))
    },
  )

  it('does not take an OwnerSign begun before the registration was withdrawn', async () => {
    await register()
    const late = await prepare()
    await rendezvous.registrations.withdraw(toHex(guid), 'tok_1')
    await expect(late.send()).rejects.toMatchObject({ code: 'INVALID_MESSAGE_ERROR' })
    await register()
    await redirection()
  })

  it('takes devices of trusted CAs only, where told which', async () => {
    anchors = []
    await expect(register()).rejects.toMatchObject({ check: 'device-ca-not-trusted' })
    anchors = parts.chain.slice(-1)
    await register()
  })

  it('keeps of what has lapsed the memory only, and of what has not all', async () => {
    await register({ waitSeconds: 60 })
    clock.advance(59_000)
    await rendezvous.sweep()
    expect((await rows())[0]).toMatchObject({ to1d: expect.anything() })
    clock.advance(1_000)
    await rendezvous.sweep()
    const forgotten = { to1d: null, device_key: null, expires_at: null }
    expect(await rows()).toEqual([expect.objectContaining({ ...forgotten, entries: 1 })])
    await expect(redirection()).rejects.toMatchObject({ code: 'RESOURCE_NOT_FOUND' })
  })

  it('sweeps many, a slice at a time', async () => {
    await register({ waitSeconds: 60 })
    const [row] = await rows()
    for (let i = 0; i < 450; i++) {
      const copy = { ...row!, guid: i.toString(16).padStart(32, '0') }
      await database.db.insertInto('registration').values(copy).execute()
    }
    clock.advance(60_000)
    let commits = 0
    const counted = {
      ...database,
      commit: (...args: Parameters<Database['commit']>) => {
        commits++
        return database.commit(...args)
      },
    } as Database
    await retireLapsed({ database: counted, clock })
    expect((await rows()).filter(({ to1d }) => to1d !== null)).toEqual([])
    expect(commits).toBe(3)
  })

  it('writes nothing in TO1', async () => {
    await register()
    const hello = { number: 30, bytes: encode([guid, [-7, new Uint8Array()]]) }
    const ack = await to1.answer(to1.initialState, hello, HERE)
    expect(ack).toMatchObject({ hasEffects: false, inRow: false })
  })

  it('answers how long it will remember', async () => {
    const { send } = await prepare({ waitSeconds: 0xffff_ffff })
    const { reply } = await send()
    expect(bodyOf(AcceptOwner, reply.bytes)).toEqual({ waitSeconds: 30 * 86_400 })
  })

  it.each([
    [1, 1],
    [86_400, 86_400],
    [0xffff_ffff, 2_592_000],
    [0, 3_600],
  ])('asked for %i seconds, grants %i', (asked, grants) => {
    expect(granted(asked, { defaultSeconds: 3_600, mostSeconds: 30 * 86_400 })).toBe(grants)
  })
})
