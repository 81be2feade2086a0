/** Both sides of the ServiceInfo loop, talking to each other in memory as they would on the wire. */
import { type Bytes, EMPTY, concat } from '../../protocol/bytes.ts'
import type { CborValue } from '../../protocol/cbor/cbor.ts'
import { encode } from '../../protocol/cbor/cbor.ts'
import { decodeAs, encodeAs } from '../../protocol/cbor/schema.ts'
import { SHA384, hashOf } from '../../protocol/crypto/hash.ts'
import type { ContentFile } from '../../protocol/fsim/content.ts'
import type { AboutDevice } from '../../protocol/fsim/devmod/device.ts'
import type { Devmod } from '../../protocol/fsim/devmod/messages.ts'
import { deviceModulesFor } from '../../protocol/fsim/device-modules.ts'
import { OWNER_MODULES } from '../../protocol/fsim/owner-modules.ts'
import { DeviceSession } from '../../protocol/service-info/device-session.ts'
import type { OwnerEffect } from '../../protocol/service-info/module.ts'
import {
  NEW_OWNER_SESSION,
  OwnerSession,
  type OwnerSessionContext,
  SERVICE_INFO_LIMITS,
  answerDeviceServiceInfo,
} from '../../protocol/service-info/owner-session.ts'
import type { PlanStep } from '../../protocol/service-info/plan.ts'
import {
  DeviceServiceInfo,
  type KeyValue,
  OwnerServiceInfo,
} from '../../protocol/service-info/service-info.ts'
import { MemoryHost } from './memory-host.ts'
import { TestIssuer, TestTokens } from './test-issuer.ts'

export const ABOUT: AboutDevice = {
  os: 'Linux',
  arch: 'x86_64',
  version: '6.1',
  device: 'a-model',
  sn: 'SN-1',
  pathsep: '/',
  sep: ':',
  nl: '\n',
  tmp: null,
  dir: null,
  progenv: null,
  bin: 'x86_64',
  mudurl: null,
}

export function devmodOf(...modules: readonly string[]): Devmod {
  return { ...ABOUT, modules }
}

/** A pair as a device writes it. */
export function pair(key: string, value: CborValue): KeyValue {
  return { key, value: encode(value) }
}

/** What devices say first, whatever they have. */
export function devmodPairs(
  modules: readonly string[],
  about: Partial<AboutDevice> = {},
): readonly KeyValue[] {
  const said = Object.entries({ ...ABOUT, ...about }).filter(([, value]) => value !== null)
  return [
    pair('devmod:active', true),
    ...said.map(([key, value]) => pair(`devmod:${key}`, value)),
    pair('devmod:nummodules', modules.length),
    pair('devmod:modules', [0, modules.length, ...modules]),
  ]
}

/** The owner, with what it would keep in a database: contents, uploads, the packed session. */
export class OwnerWorld {
  readonly issuer = new TestIssuer()
  readonly tokens = new TestTokens()
  readonly contents = new Map<string, Bytes>()
  readonly uploads = new Map<string, Bytes>()
  readonly effects: OwnerEffect[] = []
  readonly context: OwnerSessionContext
  /** The plaintext of every 69. */
  readonly replies: Bytes[] = []
  /** How long each was held back. */
  readonly holds: number[] = []
  packed: Bytes = encodeAs(OwnerSession, NEW_OWNER_SESSION)

  constructor(
    steps: readonly PlanStep[] | ((device: Devmod) => readonly PlanStep[]) = [],
    options: Partial<OwnerSessionContext> = {},
  ) {
    this.context = {
      readContent: (ref, offset, length) => slice(this.contents.get(ref), offset, length),
      readUpload: (name, offset, length) => slice(this.uploads.get(name), offset, length),
      credentials: this.issuer,
      tokens: this.tokens,
      modules: OWNER_MODULES,
      planFor: (device) => (typeof steps === 'function' ? steps(device) : steps),
      sendLimit: 1300,
      receiveLimit: 65_535,
      limits: SERVICE_INFO_LIMITS,
      ...options,
    }
  }

  content(ref: string, bytes: Bytes, name = ref): ContentFile {
    this.contents.set(ref, bytes)
    return { name, ref, length: bytes.length, sha384: hashOf(SHA384, bytes).value }
  }

  get session(): OwnerSession {
    return decodeAs(OwnerSession, this.packed, 'session')
  }

  /** Answers one 68, through the bytes of everything. */
  async answer(request: DeviceServiceInfo): Promise<OwnerServiceInfo> {
    const wire = decodeAs(DeviceServiceInfo, encodeAs(DeviceServiceInfo, request), '68')
    const answer = await answerDeviceServiceInfo(this.session, wire, this.context)
    this.packed = encodeAs(OwnerSession, answer.session)
    for (const effect of answer.effects) this.#commit(effect)
    this.holds.push(answer.holdMs)
    const reply = encodeAs(OwnerServiceInfo, answer.reply)
    this.replies.push(reply)
    return decodeAs(OwnerServiceInfo, reply, '69')
  }

  /** A 68 with these pairs; IsMore is false unless said. */
  say(pairs: readonly KeyValue[] = [], isMoreServiceInfo = false): Promise<OwnerServiceInfo> {
    return this.answer({ isMoreServiceInfo, serviceInfo: pairs })
  }

  effectsOf<T extends OwnerEffect['type']>(type: T): readonly Extract<OwnerEffect, { type: T }>[] {
    return this.effects.filter(
      (effect): effect is Extract<OwnerEffect, { type: T }> => effect.type === type,
    )
  }

  #commit(effect: OwnerEffect): void {
    this.effects.push(effect)
    if (effect.type !== 'upload-data') return
    const before = this.uploads.get(effect.name) ?? EMPTY
    if (before.length !== effect.offset) throw new Error('an upload with a gap')
    this.uploads.set(effect.name, concat(before, effect.bytes))
  }
}

function slice(content: Bytes | undefined, offset: number, length: number): Bytes {
  if (!content) throw new Error('nothing of that name')
  return content.subarray(offset, offset + length)
}

export interface Conversation {
  /** The plaintext of every 68. */
  readonly requests: readonly Bytes[]
  readonly delays: readonly number[]
}

/** Talks until the device would send TO2.Done, which it then takes for sent and answered. */
export async function converse(
  owner: OwnerWorld,
  host: MemoryHost,
  device = new DeviceSession(ABOUT, deviceModulesFor(host)),
  sendLimit = 1300,
): Promise<Conversation> {
  const requests: Bytes[] = []
  const delays: number[] = []
  let request: DeviceServiceInfo | null = device.begin(sendLimit)
  try {
    for (let rounds = 0; request; rounds++) {
      if (rounds > 5000) throw new Error('they never come to an end')
      requests.push(encodeAs(DeviceServiceInfo, request))
      const turn = await device.answer(await owner.answer(request))
      delays.push(turn.delayMs)
      request = turn.reply
    }
    await device.finish()
  } finally {
    await device.close()
  }
  return { requests, delays }
}

/** Key and value of each pair in a 69, for reading. */
export function keysOf({ serviceInfo }: { readonly serviceInfo: readonly KeyValue[] }): string[] {
  return serviceInfo.map(({ key }) => key)
}
