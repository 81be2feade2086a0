/** Whatever a peer sends in DI, TO0 or TO1, all it can cause is an FdoError. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Bytes, equalBytes } from '../../protocol/bytes.ts'
import { Encoded, encode } from '../../protocol/cbor/cbor.ts'
import { encodeAs } from '../../protocol/cbor/schema.ts'
import { signSign1 } from '../../protocol/cose/sign1.ts'
import { SHA256, hashOf } from '../../protocol/crypto/hash.ts'
import { beginDi, diDevice } from '../../protocol/di/device.ts'
import { diManufacturer } from '../../protocol/di/manufacturer.ts'
import { AppStart, SetCredentials } from '../../protocol/di/messages.ts'
import { FdoError } from '../../protocol/errors.ts'
import { type Message, bodyOf } from '../../protocol/message.ts'
import { type Role, type RoleState, receive } from '../../protocol/role.ts'
import { HelloAck, OwnerSign, To1dPayload, parseTo1d } from '../../protocol/to0/messages.ts'
import { to0Owner } from '../../protocol/to0/owner.ts'
import { to0Rendezvous } from '../../protocol/to0/rendezvous.ts'
import { to1Device } from '../../protocol/to1/device.ts'
import { to1Rendezvous } from '../../protocol/to1/rendezvous.ts'
import { parseMfgInfo } from '../../protocol/types/device-mfg-info.ts'
import { garbageLike, mutationOf } from '../support/mutation.ts'
import { recordedRun } from '../support/recorded-runs.ts'

const run = recordedRun('p256-x509-ecdh256-a128gcm')
const wire = (number: number) => run.message(number)
const header = bodyOf(SetCredentials, wire(11).bytes).header.value
const { to0d, to1d } = bodyOf(OwnerSign, wire(22).bytes)
const { voucher } = to0d.value
const { nonceTO0Sign } = bodyOf(HelloAck, wire(21).bytes)
const [device, owner] = [run.signer('devicePkcs8'), run.signer('ownerPkcs8')]
const info = parseMfgInfo(bodyOf(AppStart, wire(10).bytes).deviceMfgInfo)
if (info.form !== 'csr') throw new Error('go-fdo sends a certificate request')

const manufacturer = {
  randomBytes: () => header.guid,
  admit: async () => ({
    rvInfo: header.rvInfo,
    deviceCertChain: voucher.deviceCertChain!,
    manufacturerKey: header.publicKey.value,
    order: '',
  }),
  findFirstOwner: async () => undefined,
}
const deviceInDi = { info, hmacSecret: run.bytes('hmacSecret') }
const rendezvousInTo0 = {
  randomBytes: () => nonceTO0Sign,
  trust: () => ({}),
  order: () => 1,
  admit: () => 60,
}
const ownerInTo0 = {
  voucher,
  signer: owner,
  addresses: parseTo1d(to1d.value).to1dRV,
  waitSeconds: 60,
}
const rendezvousInTo1 = {
  randomBytes: () => nonceTO0Sign,
  findRegistration: () => ({ deviceKey: device.key, to1d: to1d.bytes }),
}
const deviceInTo1 = { guid: header.guid, signer: device }

const di = await receive(diManufacturer, { expects: 'DI.AppStart' }, wire(10), manufacturer)
const diDone = await receive(diDevice, beginDi(deviceInDi).next!, wire(11), deviceInDi)
const proving = {
  expects: 'TO1.ProveToRV',
  guid: header.guid,
  nonceTO1Proof: nonceTO0Sign,
  sgType: -7,
} as const
const signing = { expects: 'TO0.OwnerSign', nonceTO0Sign, order: 1 } as const

const RUNS = { numRuns: 300 }

/** Holds for one message of one role: its true bytes are `original`. */
function survives<State extends RoleState, Context, Effect>(
  role: Role<State, Context, Effect>,
  state: State,
  original: Message,
  context: Context,
) {
  return fc.assert(
    fc.asyncProperty(garbageLike(original.bytes), async (bytes) => {
      fc.pre(!equalBytes(bytes, original.bytes))
      await onlyFdoErrors(() => receive(role, state, { ...original, bytes }, context))
    }),
    RUNS,
  )
}

async function onlyFdoErrors(step: () => Promise<unknown>): Promise<void> {
  try {
    await step()
  } catch (error) {
    expect(error).toBeInstanceOf(FdoError)
  }
}

describe('bytes from the network', () => {
  it('as DI.AppStart', () =>
    survives(diManufacturer, { expects: 'DI.AppStart' }, wire(10), manufacturer))
  it('as DI.SetCredentials', () =>
    survives(diDevice, { expects: 'DI.SetCredentials' }, wire(11), deviceInDi))
  it('as DI.SetHMAC', () => survives(diManufacturer, di.next!, wire(12), manufacturer))
  it('as DI.Done', () => survives(diDevice, diDone.next!, wire(13), deviceInDi))
  it('as TO0.Hello', () =>
    survives(to0Rendezvous, { expects: 'TO0.Hello' }, wire(20), rendezvousInTo0))
  it('as TO0.HelloAck', () =>
    survives(to0Owner, { expects: 'TO0.HelloAck', hashType: -16 }, wire(21), ownerInTo0))
  it('as TO0.OwnerSign', () => survives(to0Rendezvous, signing, wire(22), rendezvousInTo0))
  it('as TO0.AcceptOwner', () =>
    survives(to0Owner, { expects: 'TO0.AcceptOwner' }, wire(23), ownerInTo0))
  it('as TO1.HelloRV', () =>
    survives(to1Rendezvous, { expects: 'TO1.HelloRV' }, wire(30), rendezvousInTo1))
  it('as TO1.HelloRVAck', () =>
    survives(to1Device, { expects: 'TO1.HelloRVAck' }, wire(31), deviceInTo1))
  it('as TO1.ProveToRV', () => survives(to1Rendezvous, proving, wire(32), rendezvousInTo1))
  it('as TO1.RVRedirect', () =>
    survives(to1Device, { expects: 'TO1.RVRedirect' }, wire(33), deviceInTo1))
})

describe('bytes behind a valid signature', () => {
  it('as the claims of TO1.ProveToRV', () =>
    fc.assert(
      fc.asyncProperty(garbageLike(encode(claims())), async (payload) => {
        const message = { number: 32, bytes: await signSign1(device, payload) }
        await onlyFdoErrors(() => receive(to1Rendezvous, proving, message, rendezvousInTo1))
      }),
      RUNS,
    ))

  it('as a voucher that is not the one issued: it is refused, always', () =>
    fc.assert(
      fc.asyncProperty(mutationOf(voucher.bytes, 1), async (mutated) => {
        fc.pre(!equalBytes(mutated, voucher.bytes))
        const message = await ownerSigns(mutated)
        const step = () => receive(to0Rendezvous, signing, message, rendezvousInTo0)
        // One wound: no single change hides in the last entry's unprotected header.
        await expect(step()).rejects.toBeInstanceOf(FdoError)
      }),
      RUNS,
    ))
})

function claims() {
  return new Map<number, Bytes>([
    [10, nonceTO0Sign],
    [256, Uint8Array.of(1, ...header.guid)],
  ])
}

async function ownerSigns(voucherBytes: Bytes): Promise<Message> {
  const signed = encode([new Encoded(voucherBytes), 60, nonceTO0Sign])
  const to1dTo0dHash = hashOf(SHA256, signed)
  const payload = encodeAs(To1dPayload, { to1dRV: ownerInTo0.addresses, to1dTo0dHash })
  const signature = await signSign1(owner, payload)
  return { number: 22, bytes: encode([signed, new Encoded(signature)]) }
}
