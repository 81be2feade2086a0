import { describe, expect, it } from 'vitest'
import { EMPTY, toHex } from '../../../../protocol/bytes.ts'
import { type CborValue, Encoded, encode } from '../../../../protocol/cbor/cbor.ts'
import { decodeAs, encodeAs } from '../../../../protocol/cbor/schema.ts'
import { Sign1, signSign1 } from '../../../../protocol/cose/sign1.ts'
import { PublicKey } from '../../../../protocol/crypto/public-key.ts'
import { type HMac, hmacOf, sameHash } from '../../../../protocol/crypto/hash.ts'
import type { Signer } from '../../../../protocol/crypto/signer.ts'
import type { Message } from '../../../../protocol/message.ts'
import { receive } from '../../../../protocol/role.ts'
import { to2Device } from '../../../../protocol/to2/device/role.ts'
import type { To2DeviceContext, To2DeviceState } from '../../../../protocol/to2/device/state.ts'
import {
  DeviceServiceInfoReady,
  GetOVNextEntry,
  ProveOVHdrPayload,
  SetupDevicePayload,
} from '../../../../protocol/to2/messages.ts'
import {
  type Voucher,
  buildHeader,
  ownerKeyOf,
  parseVoucher,
} from '../../../../protocol/voucher/voucher.ts'
import { makeVoucher } from '../../../support/vouchers.ts'
import { NEW_GUID, opened, sealed, to2WorldOf, walk } from '../../../support/to2-world.ts'

const world = await to2WorldOf()
const run = await walk(world)
const { voucher, deviceContext: context, parts } = world
const at = <N extends To2DeviceState['expects']>(number: number) =>
  run.device.get(number) as Extract<To2DeviceState, { expects: N }>
const greeted = at<'TO2.ProveOVHdr'>(61)
const settingUp = at<'TO2.SetupDevice'>(65)

const refused = (code = 'INVALID_MESSAGE_ERROR') => expect.objectContaining({ code })
const answer = (state: To2DeviceState, message: Message, changed: Partial<To2DeviceContext> = {}) =>
  receive(to2Device, state, message, { ...context, ...changed })

const honest = decodeAs(Sign1, run.messages.get(61)!.bytes, '61').value
const honestPayload = decodeAs(ProveOVHdrPayload, honest.payload, '61')

interface ShownParts {
  readonly payload?: Partial<typeof honestPayload>
  readonly signer?: Signer
  /** Header 257. */
  readonly ownerKey?: CborValue
  readonly headers?: ReadonlyMap<number, CborValue>
}

async function shown({ payload, signer = world.owner, ownerKey, headers }: ShownParts = {}) {
  const encoded = encodeAs(ProveOVHdrPayload, { ...honestPayload, ...payload })
  const unprotected = new Map<number, CborValue>([
    [256, new Uint8Array(16).fill(4)],
    [257, ownerKey ?? new Encoded(ownerKeyOf(voucher).bytes)],
  ])
  return { number: 61, bytes: await signSign1(signer, encoded, headers ?? unprotected) }
}

/** Header and HMAC of a voucher that another manufacturer or another device might have. */
async function headerOf(changed: Parameters<typeof makeVoucher>[1]) {
  const other = await makeVoucher(parts, changed)
  return { ovHeader: other.header, hmac: other.headerHMac }
}

const manufacturer = parts.signers[0]!
const manufacturerKey = new Encoded(encodeAs(PublicKey, parts.publicKeys[0]!))

describe('TO2.ProveOVHdr, at the Device', async () => {
  const flawed: [string, ShownParts][] = [
    ['a signature by another key', { signer: manufacturer }],
    ['no owner key', { headers: new Map([[256, new Uint8Array(16)]]) }],
    ['no NonceTO2ProveDv', { headers: new Map([[257, new Encoded(ownerKeyOf(voucher).bytes)]]) }],
    ['another NonceTO2ProveOV', { payload: { nonceTO2ProveOV: new Uint8Array(16) } }],
    [
      'the hash of another hello',
      { payload: { helloDeviceHash: { type: -16, value: new Uint8Array(32) } } },
    ],
    ['another signature type', { payload: { eBSigInfo: { sgType: -35, info: EMPTY } } }],
    ['signature info', { payload: { eBSigInfo: { sgType: -7, info: Uint8Array.of(0) } } }],
    ['an HMAC that is not ours', { payload: { hmac: wrongHMac() } }],
    ['a header with another GUID', { payload: await headerOf({ header: { guid: NEW_GUID } }) }],
    [
      'another manufacturer',
      { payload: await headerOf({ header: { publicKey: ownerKeyOf(voucher) } }) },
    ],
  ]

  it.each(flawed)('refuses %s', async (_, parts_) => {
    await expect(answer(greeted, await shown(parts_))).rejects.toBeInstanceOf(Error)
    await expect(answer(greeted, await shown(parts_))).rejects.toEqual(
      expect.objectContaining({ name: 'FdoError' }),
    )
  })

  it('asks for the first entry of an owner that says all of it right', async () => {
    const { reply } = await answer(greeted, await shown())
    expect(reply).toEqual({ number: GetOVNextEntry.number, bytes: encode([0]) })
  })

  it('refuses a key exchange that does not go with the owner key', async () => {
    const changed = { kex: 'ASYMKEX2048' }
    await expect(answer(greeted, await shown(), changed)).rejects.toEqual(refused())
    await expect(answer(greeted, await shown(), { kex: 'none' })).rejects.toEqual(refused())
  })

  it('refuses whom another than the one at the rendezvous sent it to', async () => {
    const by = async (signer: Signer) =>
      decodeAs(Sign1, await signSign1(signer, encode([])), 'to1d')
    const message = await shown()
    await expect(answer(greeted, message, { to1d: await by(manufacturer) })).rejects.toEqual(
      refused(),
    )
    expect((await answer(greeted, message, { to1d: await by(world.owner) })).reply?.number).toBe(62)
  })

  it('without an entry, belongs to the manufacturer and to nobody else', async () => {
    const none = { numOVEntries: 0 }
    await expect(answer(greeted, await shown({ payload: none }))).rejects.toEqual(refused())
    const theirs = await shown({ payload: none, signer: manufacturer, ownerKey: manufacturerKey })
    expect((await answer(greeted, theirs)).reply?.number).toBe(64)
  })
})

function wrongHMac() {
  const value: HMac = { type: 5, value: new Uint8Array(32) }
  return { value, bytes: encode([value.type, value.value]) }
}

describe('TO2.OVNextEntry, at the Device', () => {
  const entry = (of: Voucher, index: number, number = index) => ({
    number: 63,
    bytes: encode([number, new Encoded(of.entries[index]!.bytes)]),
  })
  const shownFor = (of: Voucher, signer: Signer) =>
    shown({
      payload: { numOVEntries: of.entries.length },
      signer,
      ownerKey: new Encoded(ownerKeyOf(of).bytes),
    })

  it('follows every sale to the last owner', async () => {
    const long = await makeVoucher(parts, { sales: 3 })
    let step = await answer(greeted, await shownFor(long, parts.signers[3]!))
    for (const index of [0, 1, 2]) {
      expect(step.reply).toEqual({ number: 62, bytes: encode([index]) })
      step = await answer(step.next!, entry(long, index))
    }
    expect(step.reply?.number).toBe(64)
  })

  it('refuses another entry than it asked for', async () => {
    const { next } = await answer(greeted, await shown())
    await expect(answer(next!, entry(voucher, 0, 1))).rejects.toEqual(refused())
  })

  it('refuses an entry that does not follow', async () => {
    const other = await makeVoucher(parts, { header: { guid: NEW_GUID } })
    const { next } = await answer(greeted, await shown())
    await expect(answer(next!, entry(other, 0))).rejects.toThrow('entry-header-hash')
  })

  it('refuses a former owner, whom the voucher cut short would lead to', async () => {
    const long = await makeVoucher(parts, { sales: 2 })
    const former = await shown({
      payload: { numOVEntries: 2 },
      signer: parts.signers[1]!,
      ownerKey: new Encoded(encodeAs(PublicKey, parts.publicKeys[1]!)),
    })
    let step = await answer(greeted, former)
    step = await answer(step.next!, entry(long, 0))
    await expect(answer(step.next!, entry(long, 1))).rejects.toEqual(refused())
  })
})

const honestSetup = (() => {
  const plaintext = opened(settingUp.tunnel, run.messages.get(65)!)
  return decodeAs(SetupDevicePayload, decodeAs(Sign1, plaintext, '65').value.payload, '65')
})()

async function setup(
  changed: Partial<typeof honestSetup> = {},
  signer = world.owner,
): Promise<Message> {
  const payload = encodeAs(SetupDevicePayload, { ...honestSetup, ...changed })
  return sealed(settingUp.tunnel, 65, await signSign1(signer, payload))
}

describe('TO2.SetupDevice, at the Device', () => {
  const readyOf = (reply: Message) =>
    decodeAs(DeviceServiceInfoReady.inside, opened(settingUp.tunnel, reply), '66')
  const unchanged = {
    guid: voucher.header.value.guid,
    rvInfo: voucher.header.value.rvInfo,
    owner2Key: ownerKeyOf(voucher),
  }

  it('answers with the HMAC of the header that its new voucher will have', async () => {
    const { reply, next } = await answer(settingUp, await setup())
    const { deviceInfo, deviceCertChainHash } = voucher.header.value
    const { guid, rvInfo, owner2Key: publicKey } = honestSetup
    const header = buildHeader({ guid, rvInfo, deviceInfo, publicKey, deviceCertChainHash })
    const { replacementHMac, maxOwnerServiceInfoSz } = readyOf(reply!)
    expect(sameHash(replacementHMac!, hmacOf(5, parts.hmacSecret, header.bytes))).toBe(true)
    expect(maxOwnerServiceInfoSz).toBeNull()
    expect(next?.expects).toBe('TO2.OwnerServiceInfoReady')
  })

  it('refuses a signature by another than Owner2Key', async () => {
    await expect(answer(settingUp, await setup({}, manufacturer))).rejects.toEqual(refused())
  })

  it('takes another Owner2Key than the owner’s, if it has signed', async () => {
    const owner2Key = { bytes: manufacturerKey.bytes, value: parts.publicKeys[0]! }
    await expect(answer(settingUp, await setup({ owner2Key }))).rejects.toEqual(refused())
    const { reply } = await answer(settingUp, await setup({ owner2Key }, manufacturer))
    expect(readyOf(reply!).replacementHMac).not.toBeNull()
  })

  it('refuses another nonce', async () => {
    const message = await setup({ nonceTO2SetupDv: new Uint8Array(16) })
    await expect(answer(settingUp, message)).rejects.toEqual(refused())
  })

  it('refuses rendezvous info that is empty', async () => {
    const message = await setup({ rvInfo: { bytes: encode([]), value: [] } })
    await expect(answer(settingUp, message)).rejects.toEqual(refused('MESSAGE_BODY_ERROR'))
  })

  it('recognizes the credential it has, and keeps it if it may', async () => {
    const message = await setup(unchanged)
    const { reply } = await answer(settingUp, message)
    expect(readyOf(reply!).replacementHMac).toBeNull()
    await expect(answer(settingUp, message, { acceptsReuse: false })).rejects.toEqual(
      refused('CRED_REUSE_ERROR'),
    )
  })

  it.each(['guid', 'rvInfo', 'owner2Key'] as const)(
    'takes a new %s alone for a new credential',
    async (field) => {
      const other = {
        guid: NEW_GUID,
        rvInfo: { bytes: encode([[[5, encode('elsewhere')]]]), value: [] },
        owner2Key: { bytes: manufacturerKey.bytes, value: parts.publicKeys[0]! },
      }
      const signer = field === 'owner2Key' ? manufacturer : world.owner
      const message = await setup({ ...unchanged, [field]: other[field] }, signer)
      const { reply } = await answer(settingUp, message, { acceptsReuse: false })
      expect(readyOf(reply!).replacementHMac).not.toBeNull()
    },
  )

  it('refuses what was not sealed for this run', async () => {
    const plain = { number: 65, bytes: await signSign1(world.owner, EMPTY) }
    await expect(answer(settingUp, plain)).rejects.toEqual(refused())
  })
})

describe('TO2.Done2, at the Device', () => {
  const waiting = at<'TO2.Done2'>(71)

  it('changes nothing for another nonce', async () => {
    const message = sealed(waiting.tunnel, 71, encode([new Uint8Array(16)]))
    await expect(answer(waiting, message)).rejects.toEqual(refused())
  })

  it('makes the new credential the device’s own, at rest', () => {
    const [effect] = run.deviceEffects
    if (effect?.type !== 'onboarded') throw new Error('not onboarded')
    const { active, guid, hmacSecret, pubKeyHash } = effect.credential
    expect(active).toBe(false)
    expect(toHex(guid)).toBe(toHex(NEW_GUID))
    expect(hmacSecret).toEqual(context.credential.hmacSecret)
    expect(toHex(pubKeyHash.value)).not.toBe(toHex(context.credential.pubKeyHash.value))
  })

  it('is a credential that the replacement voucher is true of', async () => {
    const onboarded = run.ownerEffects.at(-1)
    const [effect] = run.deviceEffects
    if (onboarded?.type !== 'onboarded' || effect?.type !== 'onboarded') throw new Error('failed')
    const left = parseVoucher(onboarded.replacement!.voucher)
    const again = await to2WorldOf(undefined, { voucher: left })
    expect(again.deviceContext.credential.pubKeyHash).toEqual(effect.credential.pubKeyHash)
    expect(toHex(again.deviceContext.credential.rvInfo.bytes)).toBe(
      toHex(effect.credential.rvInfo.bytes),
    )
  })

  it('leaves everything as it was where the credential is reused', async () => {
    const { deviceEffects } = await walk(await to2WorldOf(undefined, { isReuse: true }))
    expect(deviceEffects).toEqual([{ type: 'credential-reused' }])
  })
})

describe('TO2, the Device, out of turn', () => {
  it('refuses every message that no state expects, unread', async () => {
    for (const [expected, state] of run.device) {
      for (const number of [60, 61, 63, 65, 67, 69, 71]) {
        if (number === expected) continue
        await expect(answer(state, { number, bytes: EMPTY })).rejects.toEqual(refused())
      }
    }
  })
})

describe('a voucher whose entries are signed with a tag', async () => {
  const tagged = await makeVoucher(parts, { entryStyle: 'tagged' })
  const other = await to2WorldOf(undefined, { voucher: tagged })

  it('leads to its owner where the Device takes such entries', async () => {
    const deviceContext = { ...other.deviceContext, entryStyle: 'either' as const }
    const { deviceEffects } = await walk({ ...other, deviceContext })
    expect(deviceEffects).toMatchObject([{ type: 'onboarded' }])
  })

  it('is refused by a Device as FDO 1.1 has it', async () => {
    await expect(walk(other)).rejects.toMatchObject({
      message: expect.stringContaining('entry-signature: entry 0'),
    })
  })
})
