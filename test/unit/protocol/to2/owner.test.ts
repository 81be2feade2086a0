import { describe, expect, it } from 'vitest'
import { type Bytes, EMPTY, concat, fromHex, toHex } from '../../../../protocol/bytes.ts'
import { type CborValue, Tagged, encode } from '../../../../protocol/cbor/cbor.ts'
import { bytesOf } from '../../../../protocol/cbor/scan.ts'
import { decodeAs } from '../../../../protocol/cbor/schema.ts'
import { ES256, ES384 } from '../../../../protocol/cose/algorithms.ts'
import { Sign1, signSign1, toBeSigned, verifySign1 } from '../../../../protocol/cose/sign1.ts'
import { hashOf, hmacOf, sameHash } from '../../../../protocol/crypto/hash.ts'
import { CIPHERS } from '../../../../protocol/crypto/kex/suites.ts'
import { sealMessage } from '../../../../protocol/crypto/kex/tunnel.ts'
import type { Signer } from '../../../../protocol/crypto/signer.ts'
import { type Message, bodyOf } from '../../../../protocol/message.ts'
import { packState, receive } from '../../../../protocol/role.ts'
import {
  HelloDeviceBody,
  OVNextEntry,
  OwnerServiceInfo,
  OwnerServiceInfoReady,
  ProveOVHdr,
  ProveOVHdrPayload,
  SetupDevice,
  SetupDevicePayload,
} from '../../../../protocol/to2/messages.ts'
import { to2Owner, to2OwnerStates } from '../../../../protocol/to2/owner/role.ts'
import type { To2OwnerContext, To2OwnerState } from '../../../../protocol/to2/owner/state.ts'
import type { Tunnel } from '../../../../protocol/to2/tunnel.ts'
import { buildEat } from '../../../../protocol/types/eat.ts'
import { ownerKeyOf, parseVoucher } from '../../../../protocol/voucher/voucher.ts'
import { makeVoucher } from '../../../support/vouchers.ts'
import {
  NEW_GUID,
  type To2World,
  opened,
  sealed,
  to2WorldOf,
  walk,
} from '../../../support/to2-world.ts'

const world = await to2WorldOf()
const run = await walk(world)
const { ownerContext: context, voucher } = world
const { guid } = voucher.header.value

const BEGIN: To2OwnerState = { expects: 'TO2.HelloDevice' }
const refused = (code = 'INVALID_MESSAGE_ERROR') => expect.objectContaining({ code })

type Hello = Partial<{ [K in keyof ReturnType<typeof helloValue>]: CborValue }>
const helloValue = () => decodeAs(HelloDeviceBody, run.messages.get(60)!.bytes, '60')

function hello(changed: Hello = {}): Message {
  const { eASigInfo, ...rest } = helloValue()
  const value = { ...rest, eASigInfo: [eASigInfo.sgType, eASigInfo.info], ...changed }
  return { number: 60, bytes: encode(Object.values(value)) }
}

const answer = (
  state: To2OwnerState,
  message: Message,
  changed: Partial<To2OwnerContext> = {},
  of: To2World = world,
) => receive(to2Owner, state, message, { ...of.ownerContext, ...changed })

describe('TO2.HelloDevice, at the Owner', () => {
  it('refuses a device it has no voucher for as not found', async () => {
    const message = hello({ guid: new Uint8Array(16) })
    await expect(answer(BEGIN, message)).rejects.toEqual(refused('RESOURCE_NOT_FOUND'))
  })

  it('refuses a device whose voucher has no entry as not found', async () => {
    const unsold = await makeVoucher(world.parts, { sales: 0 })
    const findVoucher = async () => ({
      voucher: unsold,
      signer: world.owner,
      deviceId: 'one',
      revision: '',
    })
    await expect(answer(BEGIN, hello(), { findVoucher })).rejects.toEqual(
      refused('RESOURCE_NOT_FOUND'),
    )
  })

  it.each<[string, Hello]>([
    ['an EPID device', { eASigInfo: [90, EMPTY] }],
    ['a cipher suite nobody knows', { cipherSuiteName: 2 }],
    ['a key exchange nobody knows', { kexSuiteName: 'ECDH521' }],
    ['a key exchange in other letters', { kexSuiteName: 'ecdh256' }],
    ['a key exchange for RSA owners', { kexSuiteName: 'DHKEXid14' }],
  ])('refuses %s', async (_, changed) => {
    await expect(answer(BEGIN, hello(changed))).rejects.toEqual(refused())
  })

  it('refuses a cipher suite that is switched off', async () => {
    await expect(answer(BEGIN, hello(), { ciphers: [3, 32, 33] })).rejects.toEqual(refused())
    const odd = hello({ cipherSuiteName: -17760703 })
    await expect(answer(BEGIN, odd, { ciphers: [1, 3] })).rejects.toEqual(refused())
  })

  it('refuses ECDH256 with a P-384 owner key, and takes ECDH384 with a P-256 one', async () => {
    const other = await to2WorldOf('p384-x509-devP384', { kex: 'ECDH256' })
    const { guid: otherGuid } = other.voucher.header.value
    const message = hello({ guid: otherGuid, kexSuiteName: 'ECDH256' })
    await expect(answer(BEGIN, message, {}, other)).rejects.toEqual(refused())
    const { reply } = await answer(BEGIN, hello({ kexSuiteName: 'ECDH384' }))
    expect(reply?.number).toBe(61)
  })

  it('refuses a hello that is too short or too long', async () => {
    const short = { number: 60, bytes: encode([0, guid]) }
    await expect(answer(BEGIN, short)).rejects.toEqual(refused('MESSAGE_BODY_ERROR'))
    const long = { number: 60, bytes: encode([...Array<number>(7).keys()]) }
    await expect(answer(BEGIN, long)).rejects.toEqual(refused('MESSAGE_BODY_ERROR'))
  })

  it('keeps a state so small that it fits into a token, whatever the exchange', async () => {
    for (const [name, kex] of SUITES) {
      const { messages, owner } = await walk(await to2WorldOf(name, { kex }))
      const packed = packState(to2OwnerStates, owner.get(64)!)
      expect(messages.get(61)).toBeDefined()
      expect(packed.length).toBeLessThanOrEqual(200)
    }
  })
})

const SUITES = [
  ['p256-x509-devP256', 'ECDH256'],
  ['p256-x509-devP256', 'ECDH384'],
  ['p384-x509-devP384', 'ECDH384'],
  ['rsa2048restr-x509-devP256', 'DHKEXid14'],
  ['rsa2048restr-x509-devP256', 'ASYMKEX2048'],
  ['rsapkcs3072-x509-devP384', 'DHKEXid15'],
  ['rsapkcs3072-x509-devP384', 'ASYMKEX3072'],
] as const

describe('TO2.ProveOVHdr', () => {
  it.each([
    'p256-x509-devP256',
    'p256-x5chain-devP256',
    'p256-cosekey-devP256',
    'p384-x509-devP256-mixed',
    'rsapss3072-x509-devP384',
  ])('shows the voucher of %s, and the owner key as the voucher has it', async (name) => {
    const other = await to2WorldOf(name, { kex: kexFor(name) })
    const { messages } = await walk(other)
    const proof = bodyOf(ProveOVHdr, messages.get(61)!.bytes).value
    const key = proof.unprotectedHeader.get(257)!
    expect(toHex(bytesOf(key))).toBe(toHex(ownerKeyOf(other.voucher).bytes))
    expect(await verifySign1(proof, other.owner.key)).toBe(true)
    const payload = decodeAs(ProveOVHdrPayload, proof.payload, '61')
    expect(payload.ovHeader.bytes).toEqual(other.voucher.header.bytes)
    expect(payload.hmac.bytes).toEqual(other.voucher.headerHMac.bytes)
    expect(payload.numOVEntries).toBe(1)
    expect(payload.maxOwnerMessageSize).toBe(65535)
    const { helloDeviceHash } = payload
    expect(helloDeviceHash.type).toBe(other.parts.hmacType === 5 ? -16 : -43)
    const expected = hashOf(helloDeviceHash.type, messages.get(60)!.bytes)
    expect(sameHash(helloDeviceHash, expected)).toBe(true)
  })

  it('repeats what the device said about its key', async () => {
    const { reply } = await answer(BEGIN, hello({ eASigInfo: [-35, EMPTY] }))
    const { payload } = bodyOf(ProveOVHdr, reply!.bytes).value
    expect(decodeAs(ProveOVHdrPayload, payload, '61').eBSigInfo.sgType).toBe(-35)
  })

  it.each([
    [0, false],
    [17, false],
    [1299, false],
    [1300, true],
    [65535, false],
  ])('is sent, and noted, where it exceeds the %i bytes announced', async (size, isNoted) => {
    const rsa = await to2WorldOf('rsapkcs3072-x509-devP384', { kex: 'DHKEXid15' })
    const { guid: rsaGuid } = rsa.voucher.header.value
    const message = hello({
      maxDeviceMessageSize: size,
      guid: rsaGuid,
      kexSuiteName: 'DHKEXid15',
      eASigInfo: [-35, EMPTY],
    })
    const { reply, effects } = await answer(BEGIN, message, {}, rsa)
    const note = { type: 'announced-size-exceeded', guid: rsaGuid, number: 61, announced: size }
    expect(effects).toEqual(isNoted ? [{ ...note, bytes: reply!.bytes.length }] : [])
  })
})

function kexFor(name: string): string {
  if (name.startsWith('rsa2048')) return 'ASYMKEX2048'
  if (name.startsWith('rsa')) return 'ASYMKEX3072'
  return name.startsWith('p384') ? 'ECDH384' : 'ECDH256'
}

describe('TO2.GetOVNextEntry, at the Owner', async () => {
  const long = await makeVoucher(world.parts, { sales: 3 })
  const findVoucher = async () => ({
    voucher: long,
    signer: world.owner,
    deviceId: 'one',
    revision: '',
  })
  const state = run.owner.get(64)!
  const ask = (index: number) =>
    answer(state, { number: 62, bytes: encode([index]) }, { findVoucher })

  it('gives any entry, in any order, any number of times', async () => {
    for (const index of [2, 0, 1, 0]) {
      const { reply, next } = await ask(index)
      const { ovEntryNum, ovEntry } = bodyOf(OVNextEntry, reply!.bytes)
      expect(ovEntryNum).toBe(index)
      expect(ovEntry.bytes).toEqual(long.entries[index]?.bytes)
      expect(next).toEqual(state)
    }
  })

  it('gives the same bytes again', async () => {
    expect((await ask(1)).reply).toEqual((await ask(1)).reply)
  })

  it.each([3, 4, 255])('refuses entry %i of three', async (index) => {
    await expect(ask(index)).rejects.toEqual(refused())
  })

  it('refuses once the voucher has left our hands', async () => {
    const message = { number: 62, bytes: encode([0]) }
    const gone = { findVoucher: async () => undefined }
    await expect(answer(state, message, gone)).rejects.toEqual(refused())
  })
})

interface ProofParts {
  readonly signer?: Signer
  readonly nonce?: Bytes
  readonly guid?: Bytes
  readonly xB?: Bytes | null
  readonly headers?: ReadonlyMap<number, CborValue>
  readonly payload?: Bytes
}

const setupNonce = new Uint8Array(16).fill(9)
const proving = run.owner.get(64) as Extract<To2OwnerState, { expects: 'TO2.ProveDevice' }>

async function proof(parts: ProofParts = {}): Promise<Message> {
  const { signer = world.device, nonce = proving.nonceTO2ProveDv, xB } = parts
  const xBKeyExchange = xB === undefined ? honestXB() : xB
  const payload = buildEat({
    nonce,
    guid: parts.guid ?? guid,
    ...(xBKeyExchange && { xBKeyExchange }),
  })
  const headers = parts.headers ?? new Map([[-259, setupNonce]])
  return { number: 64, bytes: await signSign1(signer, parts.payload ?? payload, headers) }
}

function honestXB(): Bytes {
  const { payload } = decodeAs(Sign1, run.messages.get(64)!.bytes, '64').value
  // {10: nonce, 256: ueid, -257: [xB]}: the last 86 bytes.
  return payload.subarray(payload.length - 86)
}

describe('TO2.ProveDevice, at the Owner', () => {
  it('opens the tunnel for the device that proves itself', async () => {
    const { reply, effects } = await answer(proving, await proof())
    expect(reply?.number).toBe(65)
    expect(effects).toEqual([
      {
        type: 'onboarding-started',
        run: {
          guid,
          deviceId: 'one',
          voucherRevision: 'first',
          nonceTO2ProveDv: proving.nonceTO2ProveDv,
        },
      },
    ])
  })

  it.each<[string, ProofParts]>([
    ['a proof of another nonce', { nonce: new Uint8Array(16) }],
    ['a proof for another GUID', { guid: new Uint8Array(16) }],
    ['a proof without a key exchange', { xB: null }],
    ['a key exchange cut short', { xB: honestXB().subarray(1) }],
    [
      'a key exchange with a point off the curve',
      { xB: concat(fromHex('0020'), new Uint8Array(32), honestXB().subarray(34)) },
    ],
    ['a proof without NonceTO2SetupDv', { headers: new Map() }],
    ['a NonceTO2SetupDv of another length', { headers: new Map([[-259, new Uint8Array(15)]]) }],
    ['a proof that is no map', { payload: encode([]) }],
    ['an FDO claim with more in it', { payload: claims({ fdo: [honestXB(), 0] }) }],
    ['a UEID of another kind', { payload: claims({ ueid: concat(Uint8Array.of(2), guid) }) }],
  ])('refuses %s', async (_, parts) => {
    await expect(answer(proving, await proof(parts))).rejects.toEqual(refused())
  })

  it('leaves fdo-rs the credential it has: it makes no HMAC for another', async () => {
    const ueid = concat(Uint8Array.of(1), guid)
    const payload = encode(
      new Map<number, CborValue>([
        [10, proving.nonceTO2ProveDv],
        [11, ueid],
        [-257, [honestXB()]],
      ]),
    )
    const newCredential = () => Promise.reject(new Error('asked for a new credential'))
    const { next } = await answer(proving, await proof({ payload }), { newCredential })
    expect(next).toMatchObject({ replacementHeader: null })
  })

  it('refuses a proof by another key, before it touches the key exchange', async () => {
    let touched = false
    const keyExchange = {
      ...context.keyExchange,
      finish: async () => {
        touched = true
        return EMPTY
      },
    }
    const message = await proof({ signer: world.owner })
    await expect(answer(proving, message, { keyExchange })).rejects.toEqual(refused())
    expect(touched).toBe(false)
  })

  it('signs nothing for who has not proven itself', async () => {
    let asked = false
    const newCredential = async () => {
      asked = true
      return 'reuse' as const
    }
    const message = await proof({ xB: new Uint8Array(86) })
    await expect(answer(proving, message, { newCredential })).rejects.toEqual(refused())
    expect(asked).toBe(false)
  })

  it('refuses another algorithm than the device announced', async () => {
    for (const sgType of [-37, -257, -258]) {
      await expect(answer({ ...proving, sgType }, await proof())).rejects.toEqual(refused())
    }
  })

  it('takes ES256 from a P-256 device that announced ES384, as fdo-rs does', async () => {
    const { reply } = await answer({ ...proving, sgType: ES384.id }, await proof())
    expect(reply?.number).toBe(65)
  })

  it('refuses ES256 from a P-384 device that announced it', async () => {
    const p384 = await to2WorldOf('p384-x509-devP384', { kex: 'ECDH384' })
    const walked = await walk(p384)
    const state = { ...walked.owner.get(64)!, sgType: ES256.id } as To2OwnerState
    await expect(answer(state, walked.messages.get(64)!, {}, p384)).rejects.toEqual(refused())
  })

  it('takes the UEID under the label of an older draft, as fdo-rs writes it', async () => {
    const { reply } = await answer(proving, await proof({ payload: claims({ label: 11 }) }))
    expect(reply?.number).toBe(65)
  })

  it('refuses where the voucher has no device certificate', async () => {
    const findVoucher = async () => ({
      voucher: { ...voucher, deviceCertChain: null },
      signer: world.owner,
      deviceId: 'one',
      revision: '',
    })
    await expect(answer(proving, await proof(), { findVoucher })).rejects.toEqual(refused())
  })

  it('refuses once the voucher has left our hands', async () => {
    const gone = { findVoucher: async () => undefined }
    await expect(answer(proving, await proof(), gone)).rejects.toEqual(refused())
  })

  it('refuses a proof that is not tagged, or out of turn', async () => {
    const { bytes } = await proof()
    const untagged = { number: 64, bytes: bytes.subarray(1) }
    await expect(answer(proving, untagged)).rejects.toEqual(refused('MESSAGE_BODY_ERROR'))
    await expect(answer(BEGIN, { number: 64, bytes })).rejects.toEqual(refused())
  })

  it('refuses a signature over external data', async () => {
    const payload = claims({})
    const header = encode(new Map([[1, -7]]))
    const signature = await world.device.sign(concat(toBeSigned(header, payload), EMPTY, EMPTY))
    const other = await world.device.sign(encode(['Signature1', header, Uint8Array.of(1), payload]))
    const with_ = (value: Bytes) =>
      encode(new Tagged(18, [header, new Map([[-259, setupNonce]]), payload, value]))
    expect((await answer(proving, { number: 64, bytes: with_(signature) })).reply?.number).toBe(65)
    await expect(answer(proving, { number: 64, bytes: with_(other) })).rejects.toEqual(refused())
  })
})

function claims(parts: { fdo?: CborValue; ueid?: Bytes; label?: number }): Bytes {
  return encode(
    new Map<number, CborValue>([
      [10, proving.nonceTO2ProveDv],
      [parts.label ?? 256, parts.ueid ?? concat(Uint8Array.of(1), guid)],
      [-257, parts.fdo ?? [honestXB()]],
    ]),
  )
}

describe('TO2.SetupDevice', () => {
  it('says who the device is to be, signed by who is to own it', async () => {
    const { setup, message } = setupOf(run)
    expect(toHex(setup.guid)).toBe(toHex(NEW_GUID))
    expect(toHex(setup.rvInfo.bytes)).toBe(toHex(voucher.header.value.rvInfo.bytes))
    expect(toHex(setup.owner2Key.bytes)).toBe(toHex(ownerKeyOf(voucher).bytes))
    expect(await verifySign1(message, setup.owner2Key.value.key)).toBe(true)
  })

  it('says nothing new where the credential is reused', async () => {
    const { setup } = setupOf(await walk(await to2WorldOf(undefined, { isReuse: true })))
    expect(toHex(setup.guid)).toBe(toHex(guid))
    expect(toHex(setup.rvInfo.bytes)).toBe(toHex(voucher.header.value.rvInfo.bytes))
    expect(toHex(setup.owner2Key.bytes)).toBe(toHex(ownerKeyOf(voucher).bytes))
  })
})

function setupOf({ device, messages }: typeof run) {
  const state = device.get(65) as unknown as { tunnel: Tunnel }
  const plaintext = opened(state.tunnel, messages.get(65)!)
  const message = decodeAs(SetupDevice.inside, plaintext, '65').value
  return { message, setup: decodeAs(SetupDevicePayload, message.payload, '65') }
}

const at = <N extends To2OwnerState['expects']>(number: number, of = run) =>
  of.owner.get(number) as Extract<To2OwnerState, { expects: N }>
const ready = at<'TO2.DeviceServiceInfoReady'>(66)
const talking = at<'TO2.DeviceServiceInfo'>(68)
const finishing = at<'TO2.Done'>(70)

describe('TO2.DeviceServiceInfoReady, at the Owner', () => {
  const say = (value: CborValue, state: To2OwnerState = ready) =>
    answer(state, sealed(ready.tunnel, 66, encode(value)))

  it('refuses null where a new credential was offered', async () => {
    await expect(say([null, null])).rejects.toEqual(refused())
  })

  it('refuses an HMAC where the credential is to be reused', async () => {
    const reused = { ...ready, replacementHeader: null }
    await expect(say([[5, new Uint8Array(32)], null], reused)).rejects.toEqual(refused())
    expect((await say([null, null], reused)).reply?.number).toBe(67)
  })

  it.each<[string, CborValue]>([
    ['an HMAC cut short', [[5, new Uint8Array(31)], null]],
    ['a hash for an HMAC', [[-16, new Uint8Array(32)], null]],
    ['a size beyond 16 bits', [[5, new Uint8Array(32)], 65536]],
    ['something else', [[5, new Uint8Array(32)]]],
  ])('refuses %s', async (_, value) => {
    await expect(say(value)).rejects.toEqual(refused('MESSAGE_BODY_ERROR'))
  })

  it.each([
    [null, 0, 1300],
    [17, 0, 1300],
    [4096, 0, 4096],
    [4096, 17, 4096],
    [4096, 2000, 1872],
    [64000, 65535, 64000],
  ])('remembers what the device takes: %j in messages of %i', async (size, message, limit) => {
    const state = { ...ready, maxDeviceMessageSize: message }
    const { next } = await say([[5, new Uint8Array(32)], size], state)
    expect(next).toMatchObject({ sendLimit: limit })
  })

  it('is told what we take', async () => {
    const { reply } = await say([[5, new Uint8Array(32)], null])
    const inside = decodeAs(OwnerServiceInfoReady.inside, opened(ready.tunnel, reply!), '67')
    expect(inside).toEqual({ maxDeviceServiceInfoSz: 8192 })
  })

  it('refuses what was not sealed, or by another key, or was changed', async () => {
    const plain = encode([[5, new Uint8Array(32)], null])
    await expect(answer(ready, { number: 66, bytes: plain })).rejects.toEqual(refused())
    const cipher = CIPHERS.get(1)!
    const nonce = new Uint8Array(12)
    const other = sealMessage(cipher, new Uint8Array(16), nonce, plain)
    await expect(answer(ready, { number: 66, bytes: other })).rejects.toEqual(refused())
    const changed = new Uint8Array(run.messages.get(66)!.bytes)
    changed[changed.length - 1] = (changed[changed.length - 1] ?? 0) ^ 1
    await expect(answer(ready, { number: 66, bytes: changed })).rejects.toEqual(refused())
  })

  it('refuses a message of the device sealed for another step', async () => {
    await expect(answer(ready, run.messages.get(68)!)).rejects.toEqual(refused())
    const renamed = { number: 66, bytes: run.messages.get(68)!.bytes }
    await expect(answer(ready, renamed)).rejects.toEqual(refused('MESSAGE_BODY_ERROR'))
  })
})

describe('TO2.DeviceServiceInfo, at the Owner', () => {
  const say = (state: To2OwnerState, value: CborValue) =>
    answer(state, sealed(talking.tunnel, 68, encode(value)))
  const inside = (reply: Message) =>
    decodeAs(OwnerServiceInfo.inside, opened(talking.tunnel, reply), '69')

  it('lets the device go on while it has more', async () => {
    const { reply, next } = await say(talking, [true, [['devmod:active', encode(true)]]])
    expect(inside(reply!)).toEqual({ isMoreServiceInfo: false, isDone: false, serviceInfo: [] })
    expect(next?.expects).toBe('TO2.DeviceServiceInfo')
  })

  it('takes null for an empty ServiceInfo', async () => {
    const { next } = await say(talking, [true, null])
    expect(next?.expects).toBe('TO2.DeviceServiceInfo')
  })

  it('refuses a 68 sent once more under the same nonce', async () => {
    const { next } = await answer(talking, sealedAt(1, [true, []]))
    await expect(answer(next!, sealedAt(1, [true, []]))).rejects.toEqual(refused())
    expect((await answer(next!, sealedAt(2, [true, []]))).reply?.number).toBe(69)
  })

  it('refuses more than was announced', async () => {
    const long = ['test:long', new Uint8Array(8200)]
    await expect(say(talking, [true, [long]])).rejects.toEqual(refused())
  })

  it('says IsDone again to a device that goes on, up to a limit', async () => {
    let state: To2OwnerState = finishing
    for (let i = 0; i < 16; i++) {
      const { reply, next } = await say(state, [false, [['test:late', encode(i)]]])
      expect(inside(reply!)).toEqual({ isMoreServiceInfo: false, isDone: true, serviceInfo: [] })
      state = next!
      expect(state.expects).toBe('TO2.Done')
    }
    await expect(say(state, [false, []])).rejects.toEqual(refused())
  })

  it('refuses more after IsDone', async () => {
    await expect(say(finishing, [true, []])).rejects.toEqual(refused())
  })

  function sealedAt(last: number, value: CborValue): Message {
    const nonce = new Uint8Array(12).fill(last)
    const { cipher, key } = talking.tunnel
    return { number: 68, bytes: sealMessage(CIPHERS.get(cipher)!, key, nonce, encode(value)) }
  }
})

describe('TO2.Done, at the Owner', () => {
  it('refuses Done before IsDone', async () => {
    const message = sealed(talking.tunnel, 70, encode([proving.nonceTO2ProveDv]))
    await expect(answer(talking, message)).rejects.toEqual(refused())
  })

  it('refuses another nonce', async () => {
    const message = sealed(finishing.tunnel, 70, encode([new Uint8Array(16)]))
    await expect(answer(finishing, message)).rejects.toEqual(refused())
  })

  it('leaves a voucher that is true of the device and extended to nobody', async () => {
    const onboarded = run.ownerEffects.at(-1)
    if (onboarded?.type !== 'onboarded' || !onboarded.replacement) throw new Error('not onboarded')
    expect(onboarded.replacement.guid).toEqual(NEW_GUID)
    const left = parseVoucher(onboarded.replacement.voucher)
    const { type } = left.headerHMac.value
    const hmac = hmacOf(type, world.parts.hmacSecret, left.header.bytes)
    expect(sameHash(hmac, left.headerHMac.value)).toBe(true)
    expect(type).toBe(voucher.headerHMac.value.type)
    expect(left.entries).toEqual([])
    expect(left.deviceCertChain).toEqual(voucher.deviceCertChain)
    expect(left.header.value).toMatchObject({
      guid: NEW_GUID,
      deviceInfo: voucher.header.value.deviceInfo,
      deviceCertChainHash: voucher.header.value.deviceCertChainHash,
    })
    expect(toHex(left.header.value.publicKey.bytes)).toBe(toHex(ownerKeyOf(voucher).bytes))
  })

  it('leaves the voucher alone where the credential was reused', async () => {
    const { ownerEffects } = await walk(await to2WorldOf(undefined, { isReuse: true }))
    expect(ownerEffects.at(-1)).toMatchObject({ type: 'onboarded', replacement: null })
  })

  it('refuses once the voucher has left our hands', async () => {
    const message = run.messages.get(70)!
    const gone = { findVoucher: async () => undefined }
    await expect(answer(finishing, message, gone)).rejects.toEqual(refused())
  })
})

describe('TO2, the Owner, out of turn', () => {
  const numbers = [60, 62, 64, 66, 68, 70]
  const accepted: Record<To2OwnerState['expects'], number[]> = {
    'TO2.HelloDevice': [60],
    'TO2.ProveDevice': [62, 64],
    'TO2.DeviceServiceInfoReady': [66],
    'TO2.DeviceServiceInfo': [68],
    'TO2.Done': [68, 70],
  }

  it('refuses every message that no state expects, unread', async () => {
    for (const state of [BEGIN, proving, ready, talking, finishing]) {
      for (const number of [...numbers, 61, 71, 30, 255]) {
        if (accepted[state.expects].includes(number)) continue
        await expect(answer(state, { number, bytes: EMPTY })).rejects.toEqual(refused())
      }
    }
  })
})
