/** What TO2 changes: the steps' effects as writes, in the transaction that moves the run on. */
import { toHex } from '../../protocol/bytes.ts'
import type { Devmod } from '../../protocol/fsim/devmod/messages.ts'
import type { OwnerEffect } from '../../protocol/service-info/module.ts'
import type { Run, To2OwnerEffect } from '../../protocol/to2/owner/state.ts'
import { type Executor, afterCommit } from '../database/connection.ts'
import type { DeviceService } from '../devices/service.ts'
import { serialOf } from '../pki/der.ts'
import type { Pki } from '../pki/service.ts'
import type { Services } from '../services.ts'
import type { VoucherService } from '../vouchers/service.ts'
import { dropUploads, keepUploads, recordUpload } from './store.ts'
import type { UploadFiles } from './uploads.ts'

export interface RecordServices extends Pick<Services, 'clock' | 'events' | 'log'> {
  readonly vouchers: VoucherService
  readonly devices: DeviceService
  readonly pki: Pki
  readonly uploads: UploadFiles
}

/** A device may say much; its history keeps the beginning. */
const MOST_NOTED_LETTERS = 2000
const MOST_NOTED_NAMES = 64

export class DeviceRecord {
  readonly #services: RecordServices

  constructor(services: RecordServices) {
    this.#services = services
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
  }

  async #progress(run: Run, effect: OwnerEffect, tx: Executor): Promise<void> {
    const { clock, devices, uploads } = this.#services
    const bearer = bearerOf(run)
    if (effect.type === 'upload-data') {
      uploads.write({ ...bearer, name: effect.name }, effect.offset, effect.bytes)
      return
    }
    if (effect.type === 'upload-done') {
      const { name, length } = effect
      if (length === 0) uploads.touch({ ...bearer, name })
      const { deviceId: device_id, runId: run_id } = bearer
      const created_at = clock.now().toISOString()
      await recordUpload.run(tx, { device_id, run_id, name, length, created_at })
    }
    if (effect.type === 'certificate-issued') {
      await this.#services.pki.credentialSent(tx, bearer, effect.certificate)
    }
    const note = noteOf(effect)
    if (note) await devices.note(tx, run.deviceId, effect.type, note)
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
    }
  }

  /** The run was broken off: what it brought is worth nothing. */
  async failed(run: Run, reason: string, tx: Executor): Promise<void> {
    const { devices, events, uploads, log } = this.#services
    const bearer = bearerOf(run)
    const guid = toHex(run.guid)
    await dropUploads.run(tx, bearer)
    uploads.removeRun(bearer).catch((err: unknown) => log.error({ err }, 'uploads left behind'))
    const { deviceId: id } = run
    const failed = { id, move: 'failed', detail: { guid }, error: reason } as const
    if (!(await devices.moveDevice(tx, failed))) return
    afterCommit(tx, () => events.onboardingFailed({ guid, device: id, reason }))
  }
}

function bearerOf({ deviceId, nonceTO2ProveDv }: Run) {
  return { deviceId, runId: toHex(nonceTO2ProveDv) }
}

/** What the device's history says of a step; undefined where it says nothing. */
function noteOf(effect: OwnerEffect): object | undefined {
  switch (effect.type) {
    case 'devmod':
      return aboutOf(effect.devmod)
    case 'certificate-issued':
      return { serial: toHex(serialOf(effect.certificate)), module: effect.module }
    case 'command-output': {
      const { command, stream, bytes } = effect
      return { command, stream, text: shortened(Buffer.from(bytes).toString('utf8')) }
    }
    // What the end of the step says once more.
    case 'upload-data':
    case 'file-delivered':
      return undefined
    default: {
      const { type: _, ...facts } = effect
      return facts
    }
  }
}

function aboutOf({ os, arch, version, device, sn, modules }: Devmod): object {
  const names = modules.slice(0, MOST_NOTED_NAMES).map(shortened)
  return {
    os: shortened(os),
    arch: shortened(arch),
    version: shortened(version),
    device: shortened(device),
    serial: sn && shortened(sn),
    modules: names,
  }
}

function shortened(text: string): string {
  return text.length > MOST_NOTED_LETTERS ? `${text.slice(0, MOST_NOTED_LETTERS)}…` : text
}
