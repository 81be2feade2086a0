/** Replays TO2 as go-fdo ran it six times, and expects the same bytes from both our roles. */
import { describe, expect, it } from 'vitest'
import { EMPTY, equalBytes, toHex } from '../../protocol/bytes.ts'
import { decode, encode } from '../../protocol/cbor/cbor.ts'
import { type Schema, bool, decodeAs, encodeAs, tuple } from '../../protocol/cbor/schema.ts'
import { CUPH_NONCE, EUPH_NONCE, headerOf } from '../../protocol/cose/headers.ts'
import { Sign1, verifySign1 } from '../../protocol/cose/sign1.ts'
import { credentialFrom } from '../../protocol/credential/device-credential.ts'
import { hashOf, hmacOf, sameHash } from '../../protocol/crypto/hash.ts'
import { openMessage, sealMessage } from '../../protocol/crypto/kex/tunnel.ts'
import { ownerModule } from '../../protocol/service-info/module.ts'
import { SERVICE_INFO_LIMITS } from '../../protocol/service-info/owner-session.ts'
import { way } from '../../protocol/service-info/plan.ts'
import { ownerModules } from '../../protocol/service-info/registry.ts'
import { beginTo2 } from '../../protocol/to2/device/prove-voucher.ts'
import { to2Device } from '../../protocol/to2/device/role.ts'
import type { To2DeviceContext } from '../../protocol/to2/device/state.ts'
import {
  DeviceServiceInfo,
  DeviceServiceInfoReady,
  Done,
  Done2,
  GetOVNextEntry,
  HelloDevice,
  HelloDeviceBody,
  OVNextEntry,
  OwnerServiceInfo,
  OwnerServiceInfoReady,
  ProveOVHdrPayload,
  SetupDevicePayload,
} from '../../protocol/to2/messages.ts'
import { to2Owner, to2OwnerStates } from '../../protocol/to2/owner/role.ts'
import type {
  To2OwnerContext,
  To2OwnerEffect,
  To2OwnerState,
} from '../../protocol/to2/owner/state.ts'
import { Nonce } from '../../protocol/types/base.ts'
import { buildEat, parseEat } from '../../protocol/types/eat.ts'
import { type Step, packState, receive, unpackState } from '../../protocol/role.ts'
import { findVoucherFlaw } from '../../protocol/voucher/verify.ts'
import { OVHeader, buildHeader, ownerKeyOf, parseVoucher } from '../../protocol/voucher/voucher.ts'
import { type RecordedRun, recordedRuns } from '../support/recorded-runs.ts'
import { signerOfRecorded } from '../support/recorded-signer.ts'
import {
  type RecordedTo2,
  messageIn,
  noncesOf,
  recordedRandom,
  recordedTo2,
} from '../support/recorded-to2.ts'

/** What is inside each message, as far as it is no COSE_Sign1. */
const SCHEMAS = new Map<number, Schema<never>>(
  Object.entries({
    60: HelloDevice.body,
    62: GetOVNextEntry.body,
    63: OVNextEntry.body,
    66: DeviceServiceInfoReady.inside,
    67: OwnerServiceInfoReady.inside,
    68: DeviceServiceInfo.inside,
    69: OwnerServiceInfo.inside,
    70: Done.inside,
    71: Done2.inside,
  }).map(([number, schema]) => [Number(number), schema as Schema<never>]),
)
const SIGNED = [61, 64, 65]

describe.each(recordedRuns)('TO2 of go-fdo, $name', (run) => {
  const to2 = recordedTo2(run.name)
  const parts = partsOf(run, to2)

  it('is decrypted, decoded, encoded and sealed to the same bytes', () => {
    const messages = to2.exchanges.flatMap(({ request, response }) => [request, response])
    for (const { number, bytes, plaintext } of messages) {
      expect(toHex(encode(decode(plaintext)))).toBe(toHex(plaintext))
      const schema = SCHEMAS.get(number)
      if (schema) {
        expect(toHex(encodeAs(schema, decodeAs(schema, plaintext, `${number}`)))).toBe(
          toHex(plaintext),
        )
      } else expect(SIGNED).toContain(number)
      if (number < 65) continue
      const opened = openMessage(to2.cipher, to2.tunnelKey, bytes)
      expect(toHex(opened.plaintext)).toBe(toHex(plaintext))
      const sealed = sealMessage(to2.cipher, to2.tunnelKey, opened.nonce, plaintext)
      expect(toHex(sealed)).toBe(toHex(bytes))
    }
    const hello = decodeAs(HelloDeviceBody, messageIn(to2, 60).bytes, '60')
    expect(toHex(encodeAs(HelloDeviceBody, hello))).toBe(toHex(messageIn(to2, 60).bytes))
    const { nonce, guid, xBKeyExchange } = parseEat(parts.proof.payload)
    expect(buildEat({ nonce, guid, ...(xBKeyExchange && { xBKeyExchange }) })).toEqual(
      parts.proof.payload,
    )
    expect(encodeAs(ProveOVHdrPayload, parts.shown)).toEqual(parts.shownBy.payload)
    expect(encodeAs(SetupDevicePayload, parts.setup)).toEqual(parts.setupBy.payload)
  })

  it('holds in every signature, hash and HMAC', async () => {
    const { voucher, shown, setup } = parts
    expect(await findVoucherFlaw(voucher)).toBeUndefined()
    const ownerKey = ownerKeyOf(voucher).value.key
    const deviceKey = run.signer('devicePkcs8').key
    expect(await verifySign1(parts.shownBy, ownerKey)).toBe(true)
    expect(await verifySign1(parts.proof, deviceKey)).toBe(true)
    expect(await verifySign1(parts.setupBy, setup.owner2Key.value.key)).toBe(true)
    const to1d = decodeAs(Sign1, run.message(33).bytes, '33').value
    expect(await verifySign1(to1d, ownerKey)).toBe(true)

    const hmac = shown.hmac.value
    const secret = run.bytes('hmacSecret')
    expect(sameHash(hmacOf(hmac.type, secret, shown.ovHeader.bytes), hmac)).toBe(true)
    const helloHash = hashOf(shown.helloDeviceHash.type, messageIn(to2, 60).bytes)
    expect(sameHash(helloHash, shown.helloDeviceHash)).toBe(true)
    const { replacementHMac } = decodeAs(
      DeviceServiceInfoReady.inside,
      messageIn(to2, 66).plaintext,
      '66',
    )
    expect(replacementHMac === null).toBe(to2.isReuse)
    if (replacementHMac) {
      const { bytes } = replacementHeaderOf(parts)
      expect(sameHash(hmacOf(replacementHMac.type, secret, bytes), replacementHMac)).toBe(true)
    }
  })

  it('is what our owner says, too', async () => {
    const context = ownerContext(to2, parts)
    let state: To2OwnerState | null = { expects: 'TO2.HelloDevice' }
    const effects: To2OwnerEffect[] = []
    for (const { request, response } of to2.exchanges) {
      const packed: To2OwnerState = unpackState(to2OwnerStates, packState(to2OwnerStates, state!))
      const step: Step<To2OwnerState, To2OwnerEffect> = await receive(
        to2Owner,
        packed,
        request,
        context,
      )
      state = step.next
      effects.push(...step.effects)
      expect(step.reply?.number).toBe(response.number)
      // What 69 says is the plan's affair, and our modules need fewer rounds than go-fdo's.
      if (response.number !== 69) expect(toHex(step.reply!.bytes)).toBe(toHex(response.bytes))
    }
    expect(state).toBeNull()
    const onboarded = effects.at(-1)
    expect(onboarded?.type).toBe('onboarded')
    if (onboarded?.type !== 'onboarded') return
    const expected = to2.isReuse ? undefined : toHex(run.bytes('replacementVoucher'))
    expect(onboarded.replacement && toHex(onboarded.replacement.voucher)).toBe(expected ?? null)
  })

  it('is what our device says, too', async () => {
    const context = deviceContext(run, to2, parts)
    let step = beginTo2(context)
    for (const { request, response } of to2.exchanges) {
      expect(step.reply?.number).toBe(request.number)
      expect(toHex(step.reply!.bytes)).toBe(toHex(request.bytes))
      step = await receive(to2Device, step.next!, response, context)
    }
    expect(step).toMatchObject({ next: null, reply: null })
    const [effect] = step.effects
    if (effect?.type !== 'onboarded') {
      expect([effect?.type, to2.isReuse]).toEqual(['credential-reused', true])
      return
    }
    const { protVer, deviceInfo, guid, rvInfo, pubKeyHash } = effect.credential
    const credential = encode([
      protVer,
      deviceInfo,
      guid,
      decode(rvInfo.bytes),
      [pubKeyHash.type, pubKeyHash.value],
    ])
    expect(toHex(credential)).toBe(toHex(run.bytes('newCredential')))
  })
})

type Parts = ReturnType<typeof partsOf>

function partsOf(run: RecordedRun, to2: RecordedTo2) {
  const shownBy = decodeAs(Sign1, messageIn(to2, 61).plaintext, '61').value
  const proof = decodeAs(Sign1, messageIn(to2, 64).plaintext, '64').value
  const setupBy = decodeAs(Sign1, messageIn(to2, 65).plaintext, '65').value
  return {
    voucher: parseVoucher(run.bytes('voucherAfterDI')),
    hello: decodeAs(HelloDeviceBody, messageIn(to2, 60).bytes, '60'),
    shownBy,
    shown: decodeAs(ProveOVHdrPayload, shownBy.payload, '61'),
    proof,
    setupBy,
    setup: decodeAs(SetupDevicePayload, setupBy.payload, '65'),
    nonceTO2ProveDv: headerOf(shownBy.unprotectedHeader, CUPH_NONCE, Nonce, '61'),
    nonceTO2SetupDv: headerOf(proof.unprotectedHeader, EUPH_NONCE, Nonce, '64'),
    xB: parseEat(proof.payload).xBKeyExchange ?? EMPTY,
  }
}

function replacementHeaderOf({ voucher, setup }: Parts) {
  const { deviceInfo, deviceCertChainHash } = voucher.header.value
  const { guid, rvInfo, owner2Key: publicKey } = setup
  return buildHeader({ guid, rvInfo, deviceInfo, publicKey, deviceCertChainHash })
}

function ownerContext(to2: RecordedTo2, parts: Parts): To2OwnerContext {
  const { voucher, shown, setup, nonceTO2ProveDv } = parts
  const { key } = ownerKeyOf(voucher).value
  return {
    randomBytes: recordedRandom(nonceTO2ProveDv, ...noncesOf(to2, 'response')),
    limits: { maxDeviceServiceInfoSz: null },
    ciphers: [to2.cipher.id],
    keyExchange: {
      start: async () => ({ xA: shown.xAKeyExchange, secret: EMPTY }),
      finish: async (_suites, _secret, xB) => {
        expect(xB).toEqual(parts.xB)
        return to2.tunnelKey
      },
    },
    findVoucher: async (guid) =>
      equalBytes(guid, voucher.header.value.guid)
        ? {
            voucher,
            signer: signerOfRecorded(key, [messageIn(to2, 61).bytes, messageIn(to2, 65).plaintext]),
            deviceId: 'one',
            revision: '',
          }
        : undefined,
    newCredential: async () =>
      to2.isReuse
        ? 'reuse'
        : { ...setup, owner2Signer: signerOfRecorded(key, [messageIn(to2, 65).plaintext]) },
    serviceInfoFor: () => ({
      modules: ownerModules(waitForDownload),
      planFor: () => [{ name: 'file', required: true, ways: [way(waitForDownload, {})] }],
      limits: SERVICE_INFO_LIMITS,
      readContent: () => EMPTY,
      readUpload: () => EMPTY,
      credentials: {
        sign: () => Promise.reject(new Error('no certificates here')),
        generate: () => Promise.reject(new Error('no certificates here')),
        caCertificates: async () => [],
      },
      tokens: { issue: () => Promise.reject(new Error('no tokens here')) },
    }),
  }
}

/** Takes part as an owner's `fdo.download` that has said all it had to say. */
const waitForDownload = ownerModule({
  name: 'fdo.download',
  overlaps: false,
  task: tuple({}),
  state: tuple({ isDone: bool }),
  start: () => ({ state: { isDone: false } }),
  receive: (state, message) => ({ state: { isDone: state.isDone || message === 'done' } }),
  speak: (state) => ({
    state,
    status: state.isDone
      ? { type: 'done' }
      : { type: 'waiting', patience: 10, silence: { type: 'failed', reason: 'silence' } },
  }),
})

function deviceContext(run: RecordedRun, to2: RecordedTo2, parts: Parts): To2DeviceContext {
  const { hello, nonceTO2SetupDv } = parts
  const header = decodeAs(OVHeader, parts.voucher.header.bytes, 'header')
  const { hmac } = parts.shown
  const said = to2.exchanges
    .filter(({ request }) => request.number === 68)
    .map(({ request }) => decodeAs(DeviceServiceInfo.inside, request.plaintext, '68'))
  return {
    randomBytes: recordedRandom(
      hello.nonceTO2ProveOV,
      nonceTO2SetupDv,
      ...noncesOf(to2, 'request'),
    ),
    credential: credentialFrom(header, run.bytes('hmacSecret'), hmac.value.type === 5 ? -16 : -43),
    signer: signerOfRecorded(run.signer('devicePkcs8').key, [messageIn(to2, 64).bytes]),
    to1d: decodeAs(Sign1, run.message(33).bytes, '33'),
    keyExchange: { answer: async () => ({ xB: parts.xB, key: to2.tunnelKey }) },
    kex: to2.kex,
    cipher: to2.cipher.id,
    maxDeviceMessageSize: hello.maxDeviceMessageSize,
    maxOwnerServiceInfoSz: 1300,
    acceptsReuse: true,
    serviceInfo: {
      begin: () => said.shift()!,
      answer: async () => ({ reply: said.shift() ?? null, delayMs: 0 }),
    },
  }
}
