/**
 * Tries the rendezvous info of an order before it goes into a device, where it can never be changed:
 * whether an FDO service answers wherever the owner and the devices will turn to.
 */
import { EMPTY } from '../../../protocol/bytes.ts'
import type { FdoTransport } from '../../../protocol/converse.ts'
import { keep } from '../../../protocol/cbor/schema.ts'
import { ES256 } from '../../../protocol/cose/algorithms.ts'
import { ERROR_MESSAGE, parseErrorMessage } from '../../../protocol/error-message.ts'
import { FdoError } from '../../../protocol/errors.ts'
import { type Message, bodyOf, messageOf } from '../../../protocol/message.ts'
import { Hello, HelloAck } from '../../../protocol/to0/messages.ts'
import { HelloRV, HelloRVAck } from '../../../protocol/to1/messages.ts'
import { HelloDevice, HelloDeviceBody, ProveOVHdr } from '../../../protocol/to2/messages.ts'
import type { RandomBytes } from '../../../protocol/types/base.ts'
import type { RendezvousInfo } from '../../../protocol/types/rendezvous-info.ts'
import { type Target, planRendezvous } from '../../../protocol/types/rendezvous-plan.ts'

export interface TrialServices {
  readonly randomBytes: RandomBytes
  readonly connect: (target: Target) => FdoTransport
}

/** As whom an address was tried. */
export type Side = 'owner' | 'device' | 'device-at-owner'

export interface Trial {
  readonly tried_at: string
  readonly ok: boolean
  readonly addresses: readonly {
    readonly url: string
    readonly as: Side
    readonly ok: boolean
    readonly detail: string
  }[]
  /** Directives that nobody can follow, and why. */
  readonly passed_over: readonly string[]
}

/** One host, which may be reached by more than one scheme. */
interface Place {
  readonly as: Side
  readonly targets: readonly Target[]
}

const ANSWERS = { owner: HelloAck, device: HelloRVAck, 'device-at-owner': ProveOVHdr } as const
const PROTOCOLS = { owner: 'TO0', device: 'TO1', 'device-at-owner': 'TO2' } as const

/** Every host must answer, by one of its schemes at least. */
export async function tryRendezvous(
  info: RendezvousInfo,
  now: Date,
  services: TrialServices,
): Promise<Trial> {
  const { places, passedOver } = placesOf(info)
  const results = await Promise.all(places.map((place) => tryPlace(place, services)))
  const isAnswered = results.every((one) => one.some(({ ok }) => ok))
  return {
    tried_at: now.toISOString(),
    ok: isAnswered && places.some(({ as }) => as !== 'owner'),
    addresses: results.flat(),
    passed_over: passedOver,
  }
}

function placesOf(info: RendezvousInfo): { places: Place[]; passedOver: string[] } {
  const device = planRendezvous(info, 'device')
  const owner = planRendezvous(info, 'owner')
  const places = [
    ...device.attempts.map(({ bypass, targets }) =>
      hostsOf(bypass ? 'device-at-owner' : 'device', targets),
    ),
    ...owner.attempts.map(({ targets }) => hostsOf('owner', targets)),
  ].flat()
  const known = new Map<string, Place>()
  for (const place of places) {
    const at = place.targets.map(({ url }) => url).join(' ')
    known.set(`${place.as} ${at}`, place)
  }
  const skipped = device.skipped.map(({ index, reason }) => `directive ${index}: ${reason}`)
  return { places: [...known.values()], passedOver: skipped }
}

function hostsOf(as: Side, targets: readonly Target[]): Place[] {
  const hosts = new Set(targets.map(({ host }) => host))
  return [...hosts].map((name) => ({ as, targets: targets.filter(({ host }) => host === name) }))
}

async function tryPlace({ as, targets }: Place, services: TrialServices) {
  return Promise.all(
    targets.map(async (target) => {
      const { url } = target
      try {
        return { url, as, ok: true, detail: await tryTarget(target, as, services) }
      } catch (error) {
        return { url, as, ok: false, detail: error instanceof Error ? error.message : 'failed' }
      }
    }),
  )
}

/** What answered; throws whatever tells that it was no such service. */
async function tryTarget(target: Target, as: Side, services: TrialServices): Promise<string> {
  const { message } = await services.connect(target)(questionOf(as, services), undefined)
  const { number, bytes } = message
  // Nobody knows the GUID a device asks for: a refusal is what a good service gives.
  if (as !== 'owner' && number === ERROR_MESSAGE) parseErrorMessage(bytes)
  else if (number === ANSWERS[as].number) bodyOf<unknown>(ANSWERS[as], bytes)
  else throw wrongAnswer(message)
  return `${PROTOCOLS[as]} is answered there`
}

function questionOf(as: Side, { randomBytes }: TrialServices): Message {
  if (as === 'owner') return messageOf(Hello, {})
  const eASigInfo = { sgType: ES256.id, info: EMPTY }
  const guid = randomBytes(16)
  if (as === 'device') return messageOf(HelloRV, { guid, eASigInfo })
  const hello = {
    maxDeviceMessageSize: 0,
    guid,
    nonceTO2ProveOV: randomBytes(16),
    kexSuiteName: 'ECDH256',
    cipherSuiteName: 1,
    eASigInfo,
  }
  return messageOf(HelloDevice, keep(HelloDeviceBody, hello))
}

function wrongAnswer({ number }: Message): FdoError {
  const what = number === ERROR_MESSAGE ? 'a refusal' : `message ${number}`
  return new FdoError('INVALID_MESSAGE_ERROR', `answered with ${what}`)
}
