/**
 * Devices that show a credential of our own authority which nothing here knows of: they were onboarded
 * after the back-up that this service was restored from. Their voucher is lost with what came after it;
 * whoever runs the service has to hear of them.
 */
import type { Bytes } from '../../protocol/bytes.ts'
import type { Log } from '../log.ts'
import type { Pki, UnrecordedCertificate } from '../pki/service.ts'

/** Into the device's history and the log, once for each certificate. */
export type NoteStranger = (stranger: UnrecordedCertificate) => Promise<void>

export interface StrangersServices {
  readonly pki: Pick<Pki, 'findUnrecorded'>
  readonly noteStranger: NoteStranger
  readonly log: Pick<Log, 'error'>
}

/** They ask again and again. */
const MOST_REMEMBERED = 10_000

export class Strangers {
  readonly #services: StrangersServices
  readonly #noted = new Set<string>()

  constructor(services: StrangersServices) {
    this.#services = services
  }

  /** Never throws: whoever shows it is refused anyhow. */
  async look(certificate: Bytes): Promise<void> {
    const { pki, noteStranger, log } = this.#services
    try {
      const stranger = await pki.findUnrecorded(certificate)
      if (!stranger || this.#noted.has(stranger.serial)) return
      this.#noted.add(stranger.serial)
      if (this.#noted.size > MOST_REMEMBERED) this.#noted.delete([...this.#noted][0] ?? '')
      await noteStranger(stranger)
    } catch (err) {
      log.error({ err }, 'a device that has moved on could not be noted')
    }
  }
}
