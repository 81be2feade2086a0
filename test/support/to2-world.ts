/** An Owner and a Device for TO2, driven in memory; every step of an honest run can be had. */
import { createHash } from 'node:crypto'
import { type Bytes, EMPTY, concat, equalBytes, utf8 } from '../../protocol/bytes.ts'
import { credentialFrom } from '../../protocol/credential/device-credential.ts'
import { hashTypeOf } from '../../protocol/crypto/hash.ts'
import { CIPHERS } from '../../protocol/crypto/kex/suites.ts'
import { openMessage, sealMessage } from '../../protocol/crypto/kex/tunnel.ts'
import type { Message } from '../../protocol/message.ts'
import { type Step, packState, receive, unpackState } from '../../protocol/role.ts'
import type { AboutDevice } from '../../protocol/fsim/devmod/device.ts'
import { DeviceSession } from '../../protocol/service-info/device-session.ts'
import type { OwnerModuleContext } from '../../protocol/service-info/module.ts'
import { SERVICE_INFO_LIMITS } from '../../protocol/service-info/owner-session.ts'
import { beginTo2 } from '../../protocol/to2/device/prove-voucher.ts'
import { to2Device } from '../../protocol/to2/device/role.ts'
import type {
  To2DeviceContext,
  To2DeviceEffect,
  To2DeviceState,
} from '../../protocol/to2/device/state.ts'
import { keyExchange } from '../../protocol/to2/key-exchange.ts'
import { to2Owner, to2OwnerStates } from '../../protocol/to2/owner/role.ts'
import type {
  To2OwnerContext,
  To2OwnerEffect,
  To2OwnerState,
} from '../../protocol/to2/owner/state.ts'
import type { Tunnel } from '../../protocol/to2/tunnel.ts'
import type { RandomBytes } from '../../protocol/types/base.ts'
import { type Voucher, ownerKeyOf } from '../../protocol/voucher/voucher.ts'
import { type World, worldOf } from './registering.ts'

/** The same numbers for the same seed. */
export function seededRandom(seed: string): RandomBytes {
  let counter = 0
  return (length) => {
    const blocks: Bytes[] = []
    for (let have = 0; have < length; have += 32) {
      blocks.push(createHash('sha256').update(`${seed}/${counter++}`).digest())
    }
    return concat(...blocks).slice(0, length)
  }
}

export const NEW_GUID = utf8('the device, anew')

export const ABOUT: AboutDevice = {
  os: 'test',
  arch: 'none',
  version: '1',
  device: 'vector-device',
  sn: null,
  pathsep: null,
  sep: ':',
  nl: null,
  tmp: null,
  dir: null,
  progenv: null,
  bin: 'none',
  mudurl: null,
}

const NO_MODULES: OwnerModuleContext = {
  readContent: () => EMPTY,
  readUpload: () => EMPTY,
  credentials: {
    sign: () => Promise.reject(new Error('no certificates here')),
    generate: () => Promise.reject(new Error('no certificates here')),
    caCertificates: async () => [],
  },
  tokens: { issue: () => Promise.reject(new Error('no tokens here')) },
}

export interface To2World extends World {
  readonly ownerContext: To2OwnerContext
  readonly deviceContext: To2DeviceContext
}

export interface To2Choices {
  readonly kex?: string
  readonly cipher?: number
  readonly isReuse?: boolean
  /** In place of the voucher sold once. */
  readonly voucher?: Voucher
}

/** The world of `worldOf`, its owner having nothing to tell the device. */
export async function to2WorldOf(name?: string, choices: To2Choices = {}): Promise<To2World> {
  const world = await worldOf(name)
  const { voucher = world.voucher, isReuse = false, cipher = 1, kex = 'ECDH256' } = choices
  const { guid, rvInfo } = voucher.header.value
  const owner2Key = ownerKeyOf(voucher)
  const ownerContext: To2OwnerContext = {
    randomBytes: seededRandom('owner'),
    limits: { maxDeviceServiceInfoSz: 8192 },
    ciphers: [...CIPHERS.keys()],
    keyExchange,
    findVoucher: async (asked) =>
      equalBytes(asked, guid)
        ? { voucher, signer: world.owner, deviceId: 'one', revision: 'first' }
        : undefined,
    newCredential: async () =>
      isReuse ? 'reuse' : { guid: NEW_GUID, rvInfo, owner2Key, owner2Signer: world.owner },
    serviceInfoFor: () => ({
      ...NO_MODULES,
      modules: new Map(),
      planFor: () => [],
      limits: SERVICE_INFO_LIMITS,
    }),
  }
  const { hmacSecret, hmacType } = world.parts
  const deviceContext: To2DeviceContext = {
    randomBytes: seededRandom('device'),
    credential: credentialFrom(voucher.header.value, hmacSecret, hashTypeOf(hmacType)),
    signer: world.device,
    keyExchange,
    kex,
    cipher,
    maxDeviceMessageSize: 0,
    maxOwnerServiceInfoSz: null,
    acceptsReuse: true,
    serviceInfo: new DeviceSession(ABOUT, new Map()),
  }
  return { ...world, voucher, ownerContext, deviceContext }
}

/** An honest run: each message as it was first sent, and the state of whoever received it. */
export interface Walk {
  readonly messages: ReadonlyMap<number, Message>
  readonly owner: ReadonlyMap<number, To2OwnerState>
  readonly device: ReadonlyMap<number, To2DeviceState>
  readonly ownerEffects: readonly To2OwnerEffect[]
  readonly deviceEffects: readonly To2DeviceEffect[]
}

export async function walk({ ownerContext, deviceContext }: To2World): Promise<Walk> {
  const messages = new Map<number, Message>()
  const owner = new Map<number, To2OwnerState>()
  const device = new Map<number, To2DeviceState>()
  const ownerEffects: To2OwnerEffect[] = []
  let ownerState: To2OwnerState = { expects: 'TO2.HelloDevice' }
  let step: Step<To2DeviceState, To2DeviceEffect> = beginTo2(deviceContext)
  while (step.next && step.reply) {
    const { next, reply } = step
    note(messages, owner, reply, ownerState)
    const answer: Step<To2OwnerState, To2OwnerEffect> = await receive(
      to2Owner,
      ownerState,
      reply,
      ownerContext,
    )
    ownerEffects.push(...answer.effects)
    if (answer.next) {
      ownerState = unpackState(to2OwnerStates, packState(to2OwnerStates, answer.next))
    }
    if (!answer.reply) throw new Error('the owner left a message without an answer')
    note(messages, device, answer.reply, next)
    step = await receive(to2Device, next, answer.reply, deviceContext)
  }
  return { messages, owner, device, ownerEffects, deviceEffects: step.effects }
}

function note<State>(
  messages: Map<number, Message>,
  states: Map<number, State>,
  message: Message,
  state: State,
): void {
  const { number } = message
  if (messages.has(number)) return
  messages.set(number, message)
  states.set(number, state)
}

/** What is inside a sealed message of this run. */
export function opened(tunnel: Tunnel, message: Message): Bytes {
  const cipher = CIPHERS.get(tunnel.cipher)
  if (!cipher) throw new Error('no such cipher')
  return openMessage(cipher, tunnel.key, message.bytes).plaintext
}

let drawn = 0

/** Seals anything at all as the other party of this run would, with a nonce of its own. */
export function sealed(tunnel: Tunnel, number: number, plaintext: Bytes): Message {
  const cipher = CIPHERS.get(tunnel.cipher)
  if (!cipher) throw new Error('no such cipher')
  const nonce = seededRandom(`forged ${drawn++}`)(cipher.nonceBytes)
  return { number, bytes: sealMessage(cipher, tunnel.key, nonce, plaintext) }
}
