/** `firstlight completion`: what makes a shell complete our commands. */
import { Argument, Command } from 'commander'
import { SHELLS, type Shell, completionScript } from '../completion.ts'
import { run } from '../command.ts'

/** `whole` gives the program with all its commands. */
export function completionCommand(whole: () => Promise<Command>): Command {
  const command = new Command('completion')
    .description('print a script that completes firstlight in a shell')
    .addArgument(new Argument('<shell>', 'which one').choices(SHELLS))
    .addHelpText('after', '\nIn ~/.bashrc or ~/.zshrc: source <(firstlight completion bash)')
  return run(command, async (_options, output, [shell]) => {
    const script = completionScript(shell as Shell, await whole())
    output.result({ shell, script }, (value) => value.script.trimEnd())
  })
}
