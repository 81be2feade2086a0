/**
 * The owner's side of the loop of TO2.DeviceServiceInfo and TO2.OwnerServiceInfo, Types 68 and 69:
 * devmod first, then the steps of the plan, then IsDone. Pure, and packed between two messages.
 */
import {
  type Infer,
  bool,
  bytes,
  later,
  listOf,
  nullable,
  text,
  tuple,
  uint,
  uint32,
} from '../cbor/schema.ts'
import { FdoError } from '../errors.ts'
import { Devmod } from '../fsim/devmod/messages.ts'
import { DevmodState, NO_DEVMOD, completeDevmod } from '../fsim/devmod/owner.ts'
import { join } from './chunk.ts'
import type { OwnerEffect, OwnerModuleContext } from './module.ts'
import { OwnerWork } from './owner-work.ts'
import { type PlanFor, PlanStep } from './plan.ts'
import type { OwnerModules } from './registry.ts'
import {
  type DeviceServiceInfo,
  KeyValue,
  type OwnerServiceInfo,
  sizeOfPairs,
} from './service-info.ts'

export interface ServiceInfoLimits {
  /** 68s in one run. */
  readonly maxRounds: number
  /** Bytes of ServiceInfo a device may send in one run. */
  readonly maxReceivedBytes: number
  /** Bytes of a value that may be put together from pieces. */
  readonly maxPartialBytes: number
  /** 68s after IsDone, from devices that had something left to say. */
  readonly maxRoundsAfterDone: number
  /** The longest that an answer is held back. */
  readonly maxHoldMs: number
}

export const SERVICE_INFO_LIMITS: ServiceInfoLimits = {
  maxRounds: 1_000_000,
  maxReceivedBytes: 1 << 30,
  maxPartialBytes: 65_535,
  maxRoundsAfterDone: 16,
  maxHoldMs: 2000,
}

export interface OwnerSessionContext extends OwnerModuleContext {
  readonly modules: OwnerModules
  readonly planFor: PlanFor
  /** What the device takes in a 69: `announcedLimit` of its 66, or less where its messages are. */
  readonly sendLimit: number
  /** What we announced in 67. */
  readonly receiveLimit: number
  readonly limits: ServiceInfoLimits
}

/** A step begun: which of its ways is being tried, and the packed state of that module. */
const RunningStep = tuple({ step: PlanStep, way: uint(), state: bytes() })
type RunningStep = Infer<typeof RunningStep>

/** What the owner knows between two messages; packed with this schema. */
export const OwnerSession = tuple({
  devmod: DevmodState,
  device: nullable(Devmod),
  isDone: bool,
  partial: nullable(KeyValue),
  backlog: listOf(KeyValue),
  activated: listOf(text),
  refused: listOf(text),
  running: listOf(RunningStep),
  steps: listOf(PlanStep),
  rounds: uint32,
  receivedBytes: uint(),
  emptyRounds: uint32,
  /** DER; what the device was given last, for steps to come that are about it. */
  certificate: later(bytes()),
})
export type OwnerSession = Infer<typeof OwnerSession>

export const NEW_OWNER_SESSION: OwnerSession = {
  devmod: NO_DEVMOD,
  device: null,
  isDone: false,
  partial: null,
  backlog: [],
  activated: [],
  refused: [],
  running: [],
  steps: [],
  rounds: 0,
  receivedBytes: 0,
  emptyRounds: 0,
  certificate: null,
}

/** `session.isDone` says whether TO2.Done may follow. */
export interface OwnerAnswer {
  readonly session: OwnerSession
  readonly reply: OwnerServiceInfo
  readonly effects: readonly OwnerEffect[]
  /** How long the reply may be held back: neither side has anything to say. */
  readonly holdMs: number
}

/** Answers a 68. */
export async function answerDeviceServiceInfo(
  session: OwnerSession,
  request: DeviceServiceInfo,
  context: OwnerSessionContext,
): Promise<OwnerAnswer> {
  const counted = count(session, request, context)
  if (session.isDone) return answerAfterDone(counted, request, context.limits)

  const { isMoreServiceInfo: deviceHasMore, serviceInfo } = request
  const { maxPartialBytes } = context.limits
  const joined = join(session.partial, serviceInfo, deviceHasMore, maxPartialBytes)
  const work = new OwnerWork({ ...counted, partial: joined.partial }, context)
  await work.receive(joined.incoming)
  if (deviceHasMore) return work.listen()

  if (!work.device) {
    const device = completeDevmod(work.devmod)
    work.begin(device, await context.planFor(device))
  }
  return work.speak(serviceInfo.length === 0)
}

function count(
  session: OwnerSession,
  { serviceInfo }: DeviceServiceInfo,
  { limits, receiveLimit }: OwnerSessionContext,
): OwnerSession {
  const size = sizeOfPairs(serviceInfo)
  const receivedBytes = session.receivedBytes + size
  const rounds = session.rounds + 1
  if (size > receiveLimit) throw refused('a larger ServiceInfo than was announced')
  if (receivedBytes > limits.maxReceivedBytes) throw refused('too much ServiceInfo')
  if (rounds > limits.maxRounds) throw refused('too many rounds of ServiceInfo')
  return { ...session, rounds, receivedBytes }
}

/** Divergence: what a device still says after IsDone is not looked at; C and Java may say some. */
function answerAfterDone(
  session: OwnerSession,
  request: DeviceServiceInfo,
  limits: ServiceInfoLimits,
): OwnerAnswer {
  if (request.isMoreServiceInfo) throw refused('more ServiceInfo after IsDone')
  const emptyRounds = session.emptyRounds + 1
  if (emptyRounds > limits.maxRoundsAfterDone) throw refused('no Done after IsDone')
  const reply = { isMoreServiceInfo: false, isDone: true, serviceInfo: [] }
  return { session: { ...session, emptyRounds }, reply, effects: [], holdMs: 0 }
}

function refused(why: string): FdoError {
  return new FdoError('INVALID_MESSAGE_ERROR', why)
}
