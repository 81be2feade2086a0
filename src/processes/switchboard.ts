/** What the processes of one service have to say to each other goes through their primary. */
import type { Clock } from '../clock.ts'
import type { Told } from '../fdo/told.ts'
import { type Family, lasting, together } from '../figures.ts'
import type { Hand } from './hand.ts'
import type { ToPrimary } from './messages.ts'

/** For one that does not say what it has counted, what it said last counts. */
const PATIENCE_MS = 1_000
/** Its last words may come after its end. */
const LAST_WORDS_MS = 1_000

interface Question {
  readonly answered: Promise<void>
  readonly answer: () => void
}

export class Switchboard {
  readonly #clock: Clock
  /** Those that are ready, and have not ended. */
  readonly #hands: Hand[] = []
  readonly #latest = new Map<Hand, readonly Family[]>()
  readonly #asked = new Map<Hand, Question>()
  /** Of those that have ended: what was counted stays counted. */
  #departed: readonly Family[] = []

  constructor(clock: Clock) {
    this.#clock = clock
  }

  join(hand: Hand): void {
    hand.onMessage((message) => this.#hear(hand, message))
    void hand.gone.then(() => this.#leave(hand))
  }

  #hear(hand: Hand, message: ToPrimary): void {
    if (message.kind === 'ready') this.#hands.push(hand)
    if (message.kind === 'told') this.#keeperOf(message.told)?.tell(message)
    if (message.kind === 'counted') {
      this.#latest.set(hand, message.families)
      this.#answered(hand)
    }
    if (message.kind === 'count') {
      void this.#countAll().then((families) => hand.tell({ kind: 'counted', families }))
    }
  }

  /** The process in which the run began; else always the same one, as long as all of them are there. */
  #keeperOf({ run }: Told): Hand | undefined {
    const mark = run.slice(0, 4)
    const own = this.#hands.find((hand) => hand.mark === mark)
    return own ?? this.#hands[parseInt(mark, 16) % this.#hands.length]
  }

  async #countAll(): Promise<readonly Family[]> {
    const asked = Promise.all(this.#hands.map((hand) => this.#count(hand)))
    await Promise.race([asked, this.#clock.sleep(PATIENCE_MS)])
    const counted = Array.from(this.#latest, ([hand, families]) =>
      this.#hands.includes(hand) ? families : lasting(families),
    )
    return together([...counted, this.#departed])
  }

  #count(hand: Hand): Promise<void> {
    const underWay = this.#asked.get(hand)
    if (underWay) return underWay.answered
    let answer = () => {}
    const answered = new Promise<void>((resolve) => (answer = resolve))
    this.#asked.set(hand, { answered, answer })
    hand.tell({ kind: 'count' })
    return answered
  }

  #answered(hand: Hand): void {
    this.#asked.get(hand)?.answer()
    this.#asked.delete(hand)
  }

  async #leave(hand: Hand): Promise<void> {
    const at = this.#hands.indexOf(hand)
    if (at >= 0) this.#hands.splice(at, 1)
    this.#answered(hand)
    await this.#clock.sleep(LAST_WORDS_MS)
    const families = this.#latest.get(hand) ?? []
    this.#latest.delete(hand)
    this.#departed = together([this.#departed, lasting(families)])
  }
}
