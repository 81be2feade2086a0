/** The device agent: from the credential file through onboarding, and back into the file. */
import { toHex } from '../../protocol/bytes.ts'
import { ErrorCode, FdoError } from '../../protocol/errors.ts'
import { PeerRefusal } from '../../protocol/error-message.ts'
import { signerFromPkcs8 } from '../../protocol/crypto/signer.ts'
import { deviceModulesFor } from '../../protocol/fsim/device-modules.ts'
import type { To2DeviceEffect } from '../../protocol/to2/device/state.ts'
import { CliFailure, EXIT, failureOf } from '../cli/failure.ts'
import { aboutDevice } from './about.ts'
import { type CredentialFile, readCredentialFile, writeCredentialFile } from './credential-file.ts'
import { sandboxHost } from './host.ts'
import { type PoweredDevice, type Surroundings, powerUp } from './onboard.ts'
import { fdoTransport } from './transport.ts'

export interface OnboardOptions {
  readonly credentialPath: string
  readonly sandbox: string
  readonly once?: boolean
  readonly keepCredential?: boolean
  readonly fast?: boolean
  readonly kex?: string
  readonly cipher?: number
  /** PEM: for TLS, this CA and no other. */
  readonly ca?: Buffer | undefined
  readonly timeoutMs?: number
  readonly note: (line: string) => void
}

export interface OnboardResult {
  readonly guid: string
  readonly previous_guid: string
  readonly result: 'onboarded' | 'reused' | 'failed'
  readonly error_code: number | null
  readonly message: string | null
  readonly ms: number
  readonly exitStatus: number
}

/** How much shorter every wait is with `--fast`. */
const FAST = 100

/** Tries until it succeeds; with `once`, a single time. */
export async function onboardFromFile(options: OnboardOptions): Promise<OnboardResult> {
  const file = activeDevice(options.credentialPath)
  const device = poweredDevice(file, options)
  const started = performance.now()
  const previous = toHex(file.credential.guid)
  for (;;) {
    try {
      const effect = await powerUp(device, surroundings(options))
      const guid = commit(effect, file, options)
      const ms = Math.round(performance.now() - started)
      const result = effect.type === 'onboarded' ? 'onboarded' : 'reused'
      return {
        guid,
        previous_guid: previous,
        result,
        error_code: null,
        message: null,
        ms,
        exitStatus: 0,
      }
    } catch (error) {
      if (error instanceof CliFailure || options.once) {
        return failedResult(error, previous, Math.round(performance.now() - started))
      }
    }
  }
}

type ActiveFile = CredentialFile & {
  readonly credential: NonNullable<CredentialFile['credential']>
}

function activeDevice(path: string): ActiveFile {
  const file = readCredentialFile(path)
  if (!file?.credential) {
    throw new CliFailure('failed', `${path} holds no device`, {
      code: 'no-device',
      next: 'make one with: firstlight device init',
    })
  }
  if (!file.credential.active) {
    throw new CliFailure('failed', 'the device is onboarded and does not look for an owner', {
      code: 'not-active',
      next: 'firstlight device rearm makes it look for a new one',
    })
  }
  return { ...file, credential: file.credential }
}

function poweredDevice(file: ActiveFile, options: OnboardOptions): PoweredDevice {
  const host = sandboxHost({ sandbox: options.sandbox, warn: options.note })
  return {
    credential: file.credential,
    signer: signerFromPkcs8(file.pkcs8),
    about: aboutDevice(file.model, file.serial),
    modules: () => deviceModulesFor(host),
    kex: options.kex ?? file.kex,
    cipher: options.cipher ?? file.cipher,
    acceptsReuse: true,
  }
}

function surroundings({ fast, once, ca, timeoutMs, note }: OnboardOptions): Surroundings {
  return {
    transportTo: ({ url }) => fdoTransport(url, { ca, timeoutMs }),
    now: () => new Date(),
    // A single attempt has nothing to wait for.
    sleep: (ms) =>
      once
        ? Promise.resolve()
        : new Promise((resolve) => setTimeout(resolve, fast ? ms / FAST : ms)),
    note,
  }
}

/** From here on the old credential is worthless. Gives the GUID it now has. */
function commit(effect: To2DeviceEffect, file: ActiveFile, options: OnboardOptions): string {
  if (effect.type !== 'onboarded') return toHex(file.credential.guid)
  if (!options.keepCredential) {
    writeCredentialFile(options.credentialPath, { ...file, credential: effect.credential })
  }
  return toHex(effect.credential.guid)
}

function failedResult(error: unknown, guid: string, ms: number): OnboardResult {
  const common = { guid, previous_guid: guid, result: 'failed', ms } as const
  const message = error instanceof Error ? error.message : String(error)
  if (error instanceof PeerRefusal) {
    return { ...common, error_code: error.peerError.code, message, exitStatus: EXIT.refused }
  }
  if (error instanceof FdoError) {
    // Our own check: we have told the peer, and go no further with it.
    const error_code = ErrorCode[error.code]
    return { ...common, error_code, message, exitStatus: EXIT['check-failed'] }
  }
  return { ...common, error_code: null, message, exitStatus: failureOf(error).exitStatus }
}
