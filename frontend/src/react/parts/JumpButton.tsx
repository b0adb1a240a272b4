import { useStrings } from '../i18n/context.ts';

export function JumpButton({ onJump }: { onJump: () => void }) {
  const strings = useStrings();
  return (
    <button type="button" className="assistant-jump" part="jump" aria-label={strings.jump} onClick={onJump}>
      ↓
    </button>
  );
}
