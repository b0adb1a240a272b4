import { useStrings } from '../i18n/context.ts';
import { IconButton } from './IconButton.tsx';

export function JumpButton({ onJump }: { onJump: () => void }) {
  const strings = useStrings();
  return (
    <IconButton icon="down" className="assistant-jump" part="jump" label={strings.jump} onClick={onJump} />
  );
}
