/** What TO2 changes: the steps' effects as writes, in the transaction that moves the run on. */
import { toHex } from '../../protocol/bytes.ts'
import type { Devmod } from '../../protocol/fsim/devmod/messages.ts'
import type { OwnerEffect } from '../../protocol/service-info/module.ts'
import { PlanFailure } from '../../protocol/service-info/owner-work.ts'
import type { Run, To2OwnerEffect } from '../../protocol/to2/owner/state.ts'
import { type Executor, afterCommit } from '../database/connection.ts'
import type { DeviceService } from '../devices/service.ts'
import { serialOf } from '../pki/der.ts'
import type { Pki } from '../pki/service.ts'
import type { Services } from '../services.ts'
import type { VoucherService } from '../vouchers/service.ts'
import type { PlanChoice } from './choice.ts'
import { nameOf } from './plans/document.ts'
import type { Trials } from './plans/trials.ts'
import { keepOutput } from './progress/output.ts'
import { dropUploads, keepUploads, recordUpload } from './store.ts'
import type { Uploads } from './uploads.ts'

export interface RecordServices extends Pick<Services, 'clock' | 'events' | 'log'> {
  readonly vouchers: VoucherService
  readonly devices: DeviceService
  readonly pki: Pki
  readonly uploads: Uploads
  readonly trials: Trials
}

/** Why a run was broken off. */
interface Failure {
  readonly error: unknown
  readonly reason: string
  /** Of the plan, if one was under way. */
  readonly step: string | undefined
}

/** A device may say much; its history keeps the beginning. */
const MOST_NOTED_LETTERS = 2000
const MOST_NOTED_NAMES = 64

export class DeviceRecord {
  readonly #services: RecordServices
  readonly #choice: PlanChoice

  constructor(services: RecordServices, choice: PlanChoice) {
    this.#services = services
    this.#choice = choice
  }

  async write(effect: To2OwnerEffect, tx: Executor): Promise<void> {
    if (effect.type === 'onboarding-started') await this.#started(effect.run, tx)
    else if (effect.type === 'service-info') await this.#progress(effect.run, effect.effect, tx)
    else if (effect.type === 'onboarded') await this.#onboarded(effect, tx)
  }

  async #started({ deviceId, guid }: Run, tx: Executor): Promise<void> {
    const { devices, vouchers } = this.#services
    const name = toHex(guid)
    await devices.moveDevice(tx, { id: deviceId, move: 'onboarding', detail: { guid: name } })
    await vouchers.sawDevice(tx, { deviceId, guid: name })
  }

  async #onboarded(
    { run, replacement }: Extract<To2OwnerEffect, { type: 'onboarded' }>,
    tx: Executor,
  ): Promise<void> {
    const { vouchers, pki } = this.#services
    const { guid, deviceId, voucherRevision: revision } = run
    const bearer = bearerOf(run)
    // First of all: it tells whether another run has been quicker.
    await vouchers.replaceAfterTo2(tx, { guid, deviceId, revision, replacement })
    await pki.activateCertificates(tx, bearer)
    await keepUploads.run(tx, bearer)
    await this.#tried(tx, bearer, 'onboarded')
  }

  async #tried(tx: Executor, bearer: Bearer, outcome: 'onboarded' | 'failed'): Promise<void> {
    if (!this.#choice.mayBeTried(bearer.deviceId)) return
    await this.#services.trials.ended(tx, bearer, outcome)
  }

  async #progress(run: Run, effect: OwnerEffect, tx: Executor): Promise<void> {
    const { uploads } = this.#services
    const bearer = bearerOf(run)
    if (effect.type === 'upload-data') {
      const { name, offset, bytes } = effect
      await uploads.write({ ...bearer, name }, offset, bytes, tx)
      return
    }
    if (effect.type === 'upload-begun') await this.#uploading(bearer, effect.name, -1, tx)
    if (effect.type === 'upload-done') {
      const { name, length } = effect
      if (length === 0) await uploads.touch({ ...bearer, name }, tx)
      await this.#uploading(bearer, name, length, tx)
    }
    if (effect.type === 'certificate-issued') {
      await this.#services.pki.credentialSent(tx, bearer, effect.certificate)
    }
    if (effect.type === 'devmod') await this.#planned(bearer, effect.devmod, tx)
    else await this.#note(bearer, effect, tx)
  }

  /** From before its first byte on, so that a sweep finds what a run has left. */
  async #uploading(bearer: Bearer, name: string, length: number, tx: Executor): Promise<void> {
    const { deviceId: device_id, runId: run_id } = bearer
    const created_at = this.#services.clock.now().toISOString()
    await recordUpload.run(tx, { device_id, run_id, name, length, created_at })
  }

  /** What the device is, and the plan it gets for that. */
  async #planned(bearer: Bearer, devmod: Devmod, tx: Executor): Promise<void> {
    const { devices, trials } = this.#services
    const chosen = this.#choice.chosenFor(devmod)
    if (!chosen) throw new Error('a plan was begun that nobody has chosen')
    const { plan, isTrial, party = '' } = chosen
    const { name, version, document } = plan
    if (isTrial) await trials.started(tx, bearer, { party, name, version })
    const steps = document.steps.map(nameOf).slice(0, MOST_NOTED_NAMES)
    const about = { ...aboutOf(devmod), plan: { name, version, steps } }
    await devices.note(tx, bearer.deviceId, 'devmod', about)
  }

  async #note(bearer: Bearer, effect: OwnerEffect, tx: Executor): Promise<void> {
    const { deviceId: device_id, runId: run_id } = bearer
    if (effect.type === 'command-output') {
      const { step = effect.command, stream, bytes } = effect
      await keepOutput(tx, { device_id, run_id, step, stream }, bytes)
    }
    const note = noteOf(effect)
    if (note) await this.#services.devices.note(tx, device_id, effect.type, note)
  }

  /** Called once the transaction is committed. */
  committed(effect: To2OwnerEffect): void {
    const { events, log } = this.#services
    if (effect.type === 'announced-size-exceeded') {
      const { number, bytes, announced } = effect
      const facts = { guid: toHex(effect.guid), message: number, bytes, announced }
      log.warn(facts, 'sent more than the device said it takes')
      return
    }
    const { deviceId: device, guid: bytes } = effect.run
    const guid = toHex(bytes)
    if (effect.type === 'onboarding-started') events.onboardingStarted({ guid, device })
    else if (effect.type === 'onboarded') {
      const now = effect.replacement ? toHex(effect.replacement.guid) : guid
      events.deviceOnboarded({ guid: now, device, previousGuid: guid })
    } else if (effect.effect.type === 'certificate-issued') {
      const serial = toHex(serialOf(effect.effect.certificate))
      events.certificateIssued({ serial, device, profile: 'ldevid' })
    } else if (effect.effect.type === 'token-issued') {
      events.accessTokenIssued({ device, scopes: effect.effect.scopes.join(' ') })
    }
  }

  /** The run was broken off: what it brought is worth nothing. */
  async failed(run: Run, failure: Failure, tx: Executor): Promise<void> {
    const { devices, events, pki, uploads, log } = this.#services
    const bearer = bearerOf(run)
    const guid = toHex(run.guid)
    await pki.runBrokenOff(tx, bearer)
    await dropUploads.run(tx, bearer)
    uploads.removeRun(bearer, tx).catch((err: unknown) => log.error({ err }, 'uploads left behind'))
    const { reason } = failure
    const { deviceId: id } = run
    await this.#stepFailed(bearer, failure, tx)
    await this.#tried(tx, bearer, 'failed')
    const failed = { id, move: 'failed', detail: { guid }, error: reason } as const
    if (!(await devices.moveDevice(tx, failed))) return
    afterCommit(tx, () => events.onboardingFailed({ guid, device: id, reason }))
  }

  /** With what the device said in the very message that it failed by. */
  async #stepFailed(bearer: Bearer, { error, step, reason }: Failure, tx: Executor): Promise<void> {
    const isOurs = error instanceof PlanFailure
    for (const effect of isOurs ? error.effects : []) {
      if (TOLD_OF_A_FAILURE.has(effect.type)) await this.#note(bearer, effect, tx)
    }
    if (step === undefined) return

    const why = isOurs ? error.reason : reason
    const detail = { step, reason: shortened(why) }
    await this.#services.devices.note(tx, bearer.deviceId, 'step-failed', detail)
  }
}

type Bearer = ReturnType<typeof bearerOf>

/** What was not done after all (files, certificates) is not told. */
const TOLD_OF_A_FAILURE: ReadonlySet<OwnerEffect['type']> = new Set([
  ...(['step-done', 'step-skipped', 'command-output', 'command-exited'] as const),
])

/** Names the certificates and the uploads of one run. */
export function bearerOf({ deviceId, nonceTO2ProveDv }: Run) {
  return { deviceId, runId: toHex(nonceTO2ProveDv) }
}

/** What the device's history says of a step; undefined where it says nothing. */
function noteOf(effect: OwnerEffect): object | undefined {
  switch (effect.type) {
    case 'certificate-issued':
      return { serial: toHex(serialOf(effect.certificate)), module: effect.module }
    // Kept elsewhere, or said once more by the end of the step.
    case 'devmod':
    case 'command-output':
    case 'upload-begun':
    case 'upload-data':
    case 'file-delivered':
      return undefined
    default: {
      const { type: _, ...facts } = effect
      return facts
    }
  }
}

function aboutOf({ sn, modules, ...rest }: Devmod): object {
  const said = Object.entries(rest).filter(([, value]) => value !== null)
  return {
    ...Object.fromEntries(said.map(([key, value]) => [key, shortened(value ?? '')])),
    serial: sn && shortened(sn),
    modules: modules.slice(0, MOST_NOTED_NAMES).map(shortened),
  }
}

function shortened(text: string): string {
  return text.length > MOST_NOTED_LETTERS ? `${text.slice(0, MOST_NOTED_LETTERS)}…` : text
}
