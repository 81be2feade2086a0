/** The owner's work on one 68: hands values to the running modules, and lets them speak in turn. */
import type { Bytes } from '../bytes.ts'
import { bool } from '../cbor/schema.ts'
import { FdoError } from '../errors.ts'
import { DEVMOD, type Devmod } from '../fsim/devmod/messages.ts'
import { type DevmodState, type DevmodValue, NO_DEVMOD, readDevmod } from '../fsim/devmod/owner.ts'
import { type Incoming, Outbox } from './chunk.ts'
import {
  type ModuleEnd,
  type ModuleStatus,
  type OwnerEffect,
  type OwnerModule,
  type OwnerRun,
  moduleOutbox,
} from './module.ts'
import type { OwnerAnswer, OwnerSession, OwnerSessionContext } from './owner-session.ts'
import type { PlanStep, Way } from './plan.ts'
import { pairBytesWithin, splitKey } from './service-info.ts'

/** The first wait between two rounds in which nobody said anything; each further one doubles it. */
const FIRST_HOLD_MS = 50

/** A step that the plan requires did not work out. */
export class PlanFailure extends FdoError {
  readonly step: string
  readonly reason: string
  /** What came with the message that it failed by: to be written down, though nothing follows. */
  readonly effects: readonly OwnerEffect[]

  constructor(step: string, reason: string, effects: readonly OwnerEffect[] = []) {
    super('INTERNAL_SERVER_ERROR', `step "${step}" of the plan: ${reason}`)
    this.step = step
    this.reason = reason
    this.effects = effects
  }
}

interface Running {
  readonly step: PlanStep
  readonly way: number
  readonly module: OwnerModule
  readonly run: OwnerRun
}

export class OwnerWork {
  devmod: DevmodState
  device: Devmod | null
  readonly #session: OwnerSession
  readonly #context: OwnerSessionContext
  readonly #outbox: Outbox
  readonly #effects: OwnerEffect[] = []
  readonly #activated: Set<string>
  readonly #refused: Set<string>
  #maxHoldMs: number
  #running: readonly Running[]
  #steps: readonly PlanStep[]
  #certificate: Bytes | null

  constructor(session: OwnerSession, context: OwnerSessionContext) {
    this.#session = session
    this.#context = context
    this.devmod = session.devmod
    this.device = session.device
    this.#outbox = new Outbox(pairBytesWithin(context.sendLimit), session.backlog)
    this.#activated = new Set(session.activated)
    this.#refused = new Set(session.refused)
    this.#maxHoldMs = context.limits.maxHoldMs
    this.#steps = session.steps
    this.#certificate = session.certificate
    this.#running = session.running.map(({ step, way, state }) => {
      const module = this.#moduleOf(step, way)
      return { step, way, module, run: module.resume(state) }
    })
  }

  async receive(incoming: readonly Incoming[]): Promise<void> {
    const devmod: DevmodValue[] = []
    for (const { key, value } of incoming) {
      const { module, message } = splitKey(key)
      if (module === DEVMOD) {
        devmod.push({ message, value })
      } else if (message === 'active') {
        if (!bool.parse(value, key)) await this.#refuse(module)
      } else {
        // A module that is not at work has nobody waiting for this: a late word of a step past.
        const at = this.#running.find((running) => running.module.name === module)
        if (at) this.#note(at.step, await at.run.receive(message, value, this.#context))
      }
    }
    // What comes after the plan was made changes nothing.
    if (!this.device) this.devmod = readDevmod(this.devmod, devmod)
  }

  /** devmod is complete: from here the plan says what happens. */
  begin(device: Devmod, steps: readonly PlanStep[]): void {
    this.device = device
    this.devmod = NO_DEVMOD
    this.#steps = steps
    this.#effects.push({ type: 'devmod', devmod: device })
  }

  /** The device goes on speaking: the answer is empty. */
  listen(): OwnerAnswer {
    return this.#answer(this.#outbox.queue, [], false, 0)
  }

  async speak(nothingReceived: boolean): Promise<OwnerAnswer> {
    const silent = nothingReceived ? this.#session.emptyRounds : 0
    let waiting = await this.#speakAll(this.#running, silent)
    while (this.#mayBegin(waiting)) {
      const next = this.#steps[0] as PlanStep
      this.#steps = this.#steps.slice(1)
      const begun = await this.#try(next, 0, 'the device has none of its modules')
      if (begun) waiting = (await this.#speakAll([begun], 0)) && waiting
    }
    const { now, later } = this.#outbox.flush()
    const isDone = later.length === 0 && this.#running.length === 0
    const isEmpty = nothingReceived && now.length === 0 && !isDone
    return this.#answer(later, now, isDone, isEmpty ? silent + 1 : 0)
  }

  /** Lets modules speak in turn; says whether all that are left only wait for the device. */
  async #speakAll(running: readonly Running[], silent: number): Promise<boolean> {
    let waiting = true
    for (let at of running) {
      for (;;) {
        const status = await this.#speakOnce(at, silent)
        if (status.type === 'more') waiting = false
        if (status.type === 'more' || status.type === 'waiting') break
        const next = await this.#end(at, status)
        if (!next) break
        at = next
      }
    }
    return waiting
  }

  async #speakOnce({ step, module, run }: Running, silent: number): Promise<ModuleStatus> {
    const outbox = moduleOutbox(this.#outbox, module.name)
    const { status, effects } = await run.speak(outbox, this.#context)
    this.#note(step, effects)
    if (status.type !== 'waiting') return status
    this.#maxHoldMs = Math.min(this.#maxHoldMs, status.maxHoldMs ?? this.#maxHoldMs)
    return silent < status.patience ? status : status.silence
  }

  /** Ends a step's way; gives what takes its place, if another way is open. */
  async #end(at: Running, end: ModuleEnd): Promise<Running | undefined> {
    const { step, module } = at
    if (end.type === 'unavailable') return this.#try(step, at.way + 1, end.reason, at)
    this.#replace(at)
    if (end.type === 'failed') this.#fail(step, end.reason)
    else this.#effects.push({ type: 'step-done', step: step.name, module: module.name })
    return undefined
  }

  async #refuse(name: string): Promise<void> {
    this.#refused.add(name)
    this.#outbox.drop(name)
    const at = this.#running.find(({ module }) => module.name === name)
    if (at) await this.#try(at.step, at.way + 1, `the device refused ${name}`, at)
  }

  /** Begins the first way from `from` on that this device has, in the place of `instead`. */
  async #try(
    step: PlanStep,
    from: number,
    reason: string,
    instead?: Running,
  ): Promise<Running | undefined> {
    const way = this.#openWay(step, from)
    const task = step.ways[way]?.task
    if (!task) {
      this.#replace(instead)
      this.#fail(step, reason)
      return undefined
    }
    const module = this.#moduleOf(step, way)
    if (this.#isBusy(module.name)) {
      this.#replace(instead)
      this.#steps = [{ ...step, ways: step.ways.slice(way) }, ...this.#steps]
      return undefined
    }
    const context = { ...this.#context, certificate: this.#certificate }
    const { run, effects } = await module.start(task, this.device as Devmod, context)
    this.#note(step, effects)
    const begun = { step, way, module, run }
    this.#activate(module.name)
    this.#replace(instead, begun)
    return begun
  }

  /** The first way whose module the device has; -1 if there is none. */
  #openWay(step: PlanStep, from: number): number {
    const listed = this.device?.modules ?? []
    return step.ways.findIndex(
      ({ module }, way) => way >= from && listed.includes(module) && !this.#refused.has(module),
    )
  }

  #isBusy(name: string): boolean {
    return this.#running.some(({ module }) => module.name === name)
  }

  /** Once a run, before anything else is said to a module. */
  #activate(name: string): void {
    if (this.#activated.has(name)) return
    this.#activated.add(name)
    moduleOutbox(this.#outbox, name).send('active', true)
  }

  #replace(old: Running | undefined, by?: Running): void {
    const rest = this.#running.flatMap((at) => (at === old ? (by ? [by] : []) : [at]))
    this.#running = old || !by ? rest : [...rest, by]
  }

  /** A module does not know in which step it is at work. */
  #note({ name }: PlanStep, effects: readonly OwnerEffect[]): void {
    for (const effect of effects) {
      if (effect.type === 'certificate-issued') this.#keep(effect.certificate)
      const isOfProgram = effect.type === 'command-output' || effect.type === 'command-exited'
      this.#effects.push(isOfProgram ? { ...effect, step: name } : effect)
    }
  }

  /** Only where a step to come asks for it: it would be carried to the end of the run. */
  #keep(certificate: Bytes): void {
    const isAsked = this.#steps.some(({ ways }) => ways.some((way) => this.#needsCertificate(way)))
    if (isAsked) this.#certificate = certificate
  }

  #needsCertificate({ module, task }: Way): boolean {
    return this.#context.modules.get(module)?.needsCertificate(task) ?? false
  }

  #fail(step: PlanStep, reason: string): void {
    if (step.required) throw new PlanFailure(step.name, reason, this.#effects)
    this.#effects.push({ type: 'step-skipped', step: step.name, reason })
  }

  /** The next step waits for those before it, unless they and it may overlap. */
  #mayBegin(waiting: boolean): boolean {
    const next = this.#steps[0]
    if (!next) return false
    if (this.#running.length === 0) return true
    if (!waiting || !this.#running.every(({ module }) => module.overlaps)) return false
    const way = this.#openWay(next, 0)
    if (way < 0) return true
    const module = this.#moduleOf(next, way)
    if (this.#needsCertificate(next.ways[way] as Way)) return false
    return module.overlaps && !this.#isBusy(module.name)
  }

  #moduleOf(step: PlanStep, way: number): OwnerModule {
    const name = step.ways[way]?.module ?? ''
    const module = this.#context.modules.get(name)
    if (!module) throw new Error(`step "${step.name}" names the module "${name}": there is none`)
    return module
  }

  #answer(
    backlog: OwnerSession['backlog'],
    serviceInfo: OwnerSession['backlog'],
    isDone: boolean,
    emptyRounds: number,
  ): OwnerAnswer {
    const session = {
      ...this.#session,
      devmod: this.devmod,
      device: this.device,
      isDone,
      backlog,
      activated: [...this.#activated],
      refused: [...this.#refused],
      running: this.#running.map(({ step, way, run }) => ({ step, way, state: run.pack() })),
      steps: this.#steps,
      emptyRounds,
      certificate: this.#certificate,
    }
    const isMoreServiceInfo = !isDone && serviceInfo.length > 0 && backlog.length > 0
    const reply = { isMoreServiceInfo, isDone, serviceInfo }
    const holdMs = emptyRounds === 0 ? 0 : this.#holdMs(emptyRounds)
    return { session, reply, effects: this.#effects, holdMs }
  }

  #holdMs(emptyRounds: number): number {
    return Math.min(this.#maxHoldMs, FIRST_HOLD_MS * 2 ** Math.min(emptyRounds, 16))
  }
}
