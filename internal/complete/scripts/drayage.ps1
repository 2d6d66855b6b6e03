# Completion of drayage for PowerShell, 5 and later. drayage completion --help tells where to put this file.

Register-ArgumentCompleter -Native -CommandName 'drayage', 'drayage.exe' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $words = @()
    foreach ($element in $commandAst.CommandElements) {
        if ($element.Extent.EndOffset -ge $cursorPosition -and $wordToComplete -ne '') { break }
        if ($element.Extent.StartOffset -ge $cursorPosition) { break }
        if ($element -is [System.Management.Automation.Language.StringConstantExpressionAst]) {
            $words += $element.Value
        } else {
            $words += $element.Extent.Text
        }
    }
    if ($words.Count -eq 0) { return }
    $program = $words[0]
    $before = @($words | Select-Object -Skip 1)
    $word = $wordToComplete.Trim("'", '"')
    # Old versions drop an empty argument: the word has a sign before it. Nothing that drayage prints is evaluated.
    $reply = @(& $program __complete powershell @before "=$word" 2>$null)
    if ($reply.Count -eq 0) { return }
    $kind, $skip = $reply[0] -split ' '
    foreach ($line in ($reply | Select-Object -Skip 1)) {
        $text, $about = $line -split "`t", 2
        if (-not $text) { continue }
        if (-not $about) { $about = $text }
        $typed = $text
        if ($text -match '[^\w./:=@+-]') { $typed = "'" + $text.Replace("'", "''") + "'" }
        [System.Management.Automation.CompletionResult]::new($typed, $text, 'ParameterValue', $about)
    }
    if ($kind -eq 'words') { return }
    $before = $word.Substring(0, [int]$skip)
    $path = $word.Substring([int]$skip)
    foreach ($found in [System.Management.Automation.CompletionCompleters]::CompleteFilename($path)) {
        if ($kind -eq 'directories' -and $found.ResultType -ne 'ProviderContainer') { continue }
        if ($before -eq '') {
            $found
            continue
        }
        $name = $before + $found.CompletionText.Trim("'").Replace("''", "'")
        $typed = $name
        if ($name -match '[^\w./\\:=@+~-]') { $typed = "'" + $name.Replace("'", "''") + "'" }
        [System.Management.Automation.CompletionResult]::new($typed, $found.ListItemText, $found.ResultType, $name)
    }
}
